/**
 * Files that appear whole or not at all: written under another name in the same folder, then
 * renamed.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError, isAbort, JobError, MfmError } from '../errors.js';
import { makeFolder } from './make-folder.js';
import { expectPlace } from './output-place.js';
import { fileProblem } from './system-errors.js';

/**
 * Makes the folder of `path`, has `write` fill a temporary file in it, and renames that to `path`.
 * If anything fails the temporary file is removed and a file that was at `path` stays as it was.
 *
 * @throws JobError if the disk is full; InputError if the place cannot be written to
 */
export async function writeAtomically(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const file = await openAtomically(path);
  try {
    await write(file.temporary);
    await file.keep();
  } catch (cause) {
    await file.discard();
    throw writeFailure(path, cause);
  }
}

const STEM_BYTES = 100;

export interface AtomicFile {
  /** in the folder of the file to be; nothing is there yet */
  temporary: string;
  /** renames the temporary file to the file to be */
  keep(): Promise<void>;
  /** removes the temporary file, if it is there; never fails */
  discard(): Promise<void>;
}

/** What is being written: none of it stays if the program ends amid the writing. */
const unfinished = new Set<string>();

function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { force: true });
}

function begin(temporary: string): void {
  if (unfinished.size === 0) process.on('exit', removeUnfinished);
  unfinished.add(temporary);
}

function end(temporary: string): void {
  unfinished.delete(temporary);
  if (unfinished.size === 0) process.off('exit', removeUnfinished);
}

/** The same in parts, for what is written bit by bit. Makes the folder of `path`; throws as above. */
export async function openAtomically(path: string): Promise<AtomicFile> {
  expectPlace(path);
  const folder = dirname(path);
  // a name may have 255 bytes; what is added here must not be too much
  const stem = Buffer.from(basename(path)).subarray(0, STEM_BYTES).toString();
  const temporary = join(folder, `.${stem}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    makeFolder(folder);
  } catch (cause) {
    throw writeFailure(path, cause);
  }
  begin(temporary);
  return {
    temporary,
    keep: async () => {
      await rename(temporary, path);
      end(temporary);
    },
    discard: async () => {
      // the error that made it needless is the one to tell
      await rm(temporary, { force: true }).catch(() => {});
      end(temporary);
    },
  };
}

/** One sentence for an error met while writing `path`. */
export function writeFailure(path: string, cause: unknown): unknown {
  if (cause instanceof MfmError || isAbort(cause)) return cause;
  const { message } = cause as Error;
  // ffmpeg and LibTorch say it in their own messages
  const isFull = /no space left|disk quota/i.test(message);
  const problem = fileProblem(isFull ? { code: 'ENOSPC' } : cause, 'writing');
  if (problem?.isInput) return new InputError(`${path}: ${problem.reason}`, { cause });
  return new JobError(`${path}: ${problem?.reason ?? `cannot be written (${message})`}`, { cause });
}
