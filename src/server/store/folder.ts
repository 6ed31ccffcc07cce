/** The folder of a server: only one server uses it, and nothing in it that is not a server's is touched. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, JobError } from '../../errors.js';
import { makeFolder } from '../../files/make-folder.js';
import { type Lock, takeLock } from '../../processes/lock.js';

/** Names in the folder. Every server has made `incoming` at its first start. */
const PARTS = {
  lock: '.lock',
  incoming: 'incoming',
  jobs: 'jobs',
  files: 'files',
  training: 'fine-tuning',
  loras: 'loras',
} as const;

/** A path in the folder. */
export const partOf = (root: string, part: keyof typeof PARTS): string => join(root, PARTS[part]);

/**
 * Makes the folder, unless there is one, and takes its lock.
 *
 * @throws InputError if it holds something else; JobError if another server uses it
 */
export function claim(root: string): Lock {
  makeFolder(root);
  const names = readdirSync(root);
  const own: readonly string[] = Object.values(PARTS);
  const foreign = names.find((name) => !name.startsWith('.') && !own.includes(name));
  if (foreign !== undefined && !names.includes(PARTS.incoming)) {
    throw new InputError(
      `${root}: holds something other than a server's jobs and files ("${foreign}"); name a new \`folder\``,
      { field: 'folder' },
    );
  }
  const taken = takeLock(partOf(root, 'lock'));
  if ('release' in taken) return taken;
  throw new JobError(
    `${root}: is used by another server (process ${taken.heldBy.pid}); end that, or name another folder`,
  );
}

/** A path in `incoming` for what is being received. */
export const incomingPath = (incoming: string, ending: '' | '.png' = ''): string =>
  join(incoming, `${randomBytes(12).toString('hex')}${ending}`);

/** Makes `incoming`, and removes from it what an earlier server was receiving: it is of no use. */
export function clearIncoming(root: string): string {
  const incoming = partOf(root, 'incoming');
  mkdirSync(incoming, { recursive: true });
  for (const name of readdirSync(incoming)) {
    if (/^[0-9a-f]{24}(\.png)?$/.test(name)) rmSync(join(incoming, name), { force: true });
  }
  return incoming;
}
