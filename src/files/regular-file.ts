/**
 * Opens files named by a user, provided that they are regular files: a pipe that nobody writes to
 * would block the program for ever, `/dev/zero` never ends, and opening a device may have effects.
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

/** Non-blocking, since the file may have been replaced by a pipe after it was checked. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * A handle for reading; the caller must close it.
 *
 * @throws InputError for a pipe, device, socket or folder; otherwise errors of the file system
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

/** A file descriptor for reading; the caller must close it. @throws as `openRegular` */
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

/** Turns an error of `openRegular` and its variants into an InputError with a clear sentence. */
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

/** Why something that is neither a file nor a folder is not read, and what to do instead. */
export const whyNotRead = (stats: Stats): string =>
  `is ${specialKind(stats)}, but only files can be read; save its output to a file first`;

/** The kind of something that is neither a file nor a folder, e.g. `a pipe`. */
export function specialKind(stats: Stats): string {
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'a device';
  return 'not a regular file';
}
