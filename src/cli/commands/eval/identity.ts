/** The name of a folder of weights or results, and a hash that shows whether it has changed. */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../../../errors.js';

/** A hash of the names, sizes and times of a folder's files. @throws InputError if it does not exist */
export function identityOf(folder: string): string {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InputError(`${folder}: no such folder`);
  }
  const hash = createHash('sha256');
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stats?.isFile()) hash.update(`${name}\0${stats.size}\0${stats.mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** `mine` for runs/mine/pipeline, `mfm-mini` for models/mfm-mini. */
export function pipelineName(folder: string): string {
  const full = resolve(folder);
  const own = basename(full);
  return own === 'pipeline' ? basename(dirname(full)) : own;
}
