/** Lists the files in a folder at any depth; each folder is visited once, wherever links lead. */
import { type Stats, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { whyNotRead } from '../../files/regular-file.js';

export interface FolderFile {
  /** begins with the path of the folder */
  path: string;
  /** why it cannot be read, as far as known without opening it */
  problem: string | null;
  isLink: boolean;
  /** device and inode of its bytes; null if not looked up yet, or if there are none */
  place: string | null;
}

/**
 * The files, sorted by path. Hidden files and folders are skipped, each folder is visited once, and no
 * file is opened.
 *
 * @throws InputError if the folder itself cannot be read
 */
export async function folderFiles(folder: string): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  const walked = new Set([placeOf(statSync(folder))]);
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of await entriesIn(next, files)) {
      if (entry.name.startsWith('.')) continue;
      const path = join(next, entry.name);
      const found = entry.isFile() ? null : statusOf(path);
      if (found !== null && typeof found !== 'string' && found.isDirectory()) {
        const place = placeOf(found);
        if (!walked.has(place)) waiting.push(path);
        walked.add(place);
        continue;
      }
      const isLink = entry.isSymbolicLink();
      const problem = found === null ? null : problemOf(found);
      const place = found === null || typeof found === 'string' ? null : placeOf(found);
      files.push({ path, problem, isLink, place });
    }
    if (next === folder && files[0]?.path === folder) {
      throw new InputError(`${folder}: ${files[0].problem}`);
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function entriesIn(path: string, files: FolderFile[]) {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    const problem = reasonOf(cause);
    files.push({ path, problem, isLink: false, place: null });
    return [];
  }
}

/** The target of a link, or why it cannot be read. */
function statusOf(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (cause) {
    return reasonOf(cause);
  }
}

function problemOf(found: Stats | string): string | null {
  if (typeof found === 'string') return found;
  return found.isFile() ? null : whyNotRead(found);
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'is a link to a file that does not exist';
  if (code === 'ELOOP') return 'is a link to itself';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read; change its permissions';
  return `cannot be read (${message})`;
}

/** Identifies where the bytes of a file are stored. */
export const placeOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;
