/**
 * Opens the files that a user names. Only regular files are opened: a pipe that nobody writes to
 * would hold the program up for ever, `/dev/zero` never ends, and a device may act when it is opened.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { fileProblem } from './system-errors.js';

/** What is opened may have changed since it was looked at: then opening it must not wait either. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * A handle for reading; the caller closes it.
 *
 * @throws InputError for a pipe, a device, a socket or a folder; what the file system says otherwise
 */
export async function openRegular(path: string): Promise<FileHandle> {
  expectRegular(path, await stat(path));
  const file = await open(path, FLAGS);
  try {
    expectRegular(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A file descriptor for reading; the caller closes it. @throws as `openRegular` */
export function openRegularSync(path: string): number {
  expectRegular(path, statSync(path));
  const file = openSync(path, FLAGS);
  try {
    expectRegular(path, fstatSync(file));
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** All bytes of a file. @throws as `openRegular` */
export async function readRegular(path: string): Promise<Buffer> {
  const file = await openRegular(path);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** All bytes of a file. @throws as `openRegular` */
export function readRegularSync(path: string): Buffer {
  const file = openRegularSync(path);
  try {
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** One sentence for what `openRegular` and the others throw. */
export function unreadable(path: string, cause: unknown): InputError {
  if (cause instanceof InputError) return cause;
  const reason = fileProblem(cause, 'reading')?.reason;
  const { message } = cause as Error;
  return new InputError(`${path}: ${reason ?? `cannot be read (${message})`}`, { cause });
}

/** @throws InputError naming what is at `path` instead of a regular file */
export function expectRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  if (stats.isDirectory()) throw new InputError(`${path}: must be a file, is a folder`);
  throw new InputError(`${path}: ${whyNotRead(stats)}`);
}

/** Why nothing is read of something that is neither a file nor a folder, and what to do. */
export const whyNotRead = (stats: Stats): string =>
  `is ${specialKind(stats)}, and only files are read; save what it gives to a file first`;

/** What something is that is neither a file nor a folder: `a pipe`. */
export function specialKind(stats: Stats): string {
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'a device';
  return 'no file';
}
