/**
 * Atomic writes: a file appears complete or not at all, since it is written under a temporary name
 * in the same folder and then renamed.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder } from './make-folder.js';
import { expectFolderPlace, expectPlace } from './output-place.js';
import { writeFailure } from './write-failure.js';

/**
 * Creates the folder of `path`, lets `write` fill a temporary file in it, and renames that to
 * `path`. If anything fails, the temporary file is removed, and an existing file at `path` stays
 * unchanged.
 *
 * @throws JobError if the disk is full; InputError if `path` cannot be written to
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
  /** path of the temporary file (or folder), beside the final one; it does not exist yet */
  temporary: string;
  /** renames the temporary file to its final name */
  keep(): Promise<void>;
  /** removes the temporary file, if it exists; never fails */
  discard(): Promise<void>;
}

/**
 * Temporary files being written; they are removed if the program exits before they are complete.
 */
const unfinished = new Set<string>();

function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
}

function begin(temporary: string): void {
  if (unfinished.size === 0) process.on('exit', removeUnfinished);
  unfinished.add(temporary);
}

function end(temporary: string): void {
  unfinished.delete(temporary);
  if (unfinished.size === 0) process.off('exit', removeUnfinished);
}

/** Like `writeAtomically`, for files written in several calls; throws the same. */
export async function openAtomically(path: string): Promise<AtomicFile> {
  expectPlace(path);
  return beside(path);
}

/** Like `openAtomically`, for a folder: the caller creates `temporary` as one, and fills it. */
export async function openFolderAtomically(path: string): Promise<AtomicFile> {
  expectFolderPlace(path);
  return beside(path);
}

function beside(path: string): AtomicFile {
  const folder = dirname(path);
  // a name may have at most 255 bytes, including what is added here
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
      // the error that led here is the one to report
      await rm(temporary, { recursive: true, force: true }).catch(() => {});
      end(temporary);
    },
  };
}
