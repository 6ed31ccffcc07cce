/** Access to the files of an item, wherever they are stored. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../../errors.js';
import { openRegularSync } from '../../files/regular-file.js';
import type { DataFile } from './items.js';

/**
 * Calls `use` with a path on disk; a member of a shard is copied to a temporary file for the duration of
 * the call. Error messages contain the file's own name in place of the temporary path.
 */
export async function withPath<T>(file: DataFile, use: (path: string) => Promise<T>): Promise<T> {
  const { name, path, member } = file;
  const ending = /^\.\w{1,12}$/.exec(extname(name)) ?? '';
  const own = join(tmpdir(), `mfm-${randomBytes(8).toString('hex')}${ending}`);
  const opened = member === null ? path : own;
  expectReadable(file);
  try {
    if (member !== null) await pipeline(bytesOf(file), createWriteStream(own));
    return await use(opened);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InputError(cause.message.replaceAll(opened, name), { cause });
  } finally {
    if (member !== null) await rm(own, { force: true });
  }
}

/**
 * Opening a pipe would block until another process writes to
 * it. @throws InputError for pipes and devices
 */
function expectReadable({ name, path }: DataFile): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found || found.isFile() || found.isDirectory()) return;
  throw new InputError(`${name}: must be a file, is a pipe, socket or device; save it to a file`);
}

/** The bytes of a file or member. */
export function bytesOf({ path, member }: DataFile): Readable {
  if (member?.size === 0) return Readable.from([]); // createReadStream cannot read an empty range
  const fd = openRegularSync(path);
  if (member === null) return createReadStream(path, { fd });
  return createReadStream(path, { fd, start: member.offset, end: member.offset + member.size - 1 });
}

export function sizeOf({ path, member }: DataFile): number {
  return member?.size ?? statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * SHA-256 of `more` and the bytes of all files; for a folder, of the files in it.
 *
 * @throws InputError for a pipe or a device
 */
export async function contentHash(files: readonly DataFile[], more: string): Promise<string> {
  const hash = createHash('sha256').update(more);
  for (const file of files) {
    expectReadable(file);
    hash.update('\0');
    for (const one of await filesIn(file)) {
      for await (const chunk of bytesOf(one)) hash.update(chunk as Buffer);
    }
  }
  return hash.digest('hex');
}

async function filesIn(file: DataFile): Promise<DataFile[]> {
  if (file.member !== null || !statSync(file.path).isDirectory()) return [file];
  const names = (await readdir(file.path)).filter((name) => !name.startsWith('.')).sort();
  return names.map((name) => ({ name, path: join(file.path, name), member: null }));
}
