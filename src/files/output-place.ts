/** Checks, before the work begins, that results can and may be written to their places. */
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { InputError } from '../errors.js';
import { specialKind, unreadable } from './regular-file.js';
import { writeFailure } from './write-failure.js';

/** A file or folder that is read, and its name in messages, e.g. `the input`. */
export interface ReadFrom {
  path: string;
  what: string;
}

/**
 * Throws InputError unless a result may be written to `path`, where there must be nothing or a
 * file. A link is refused rather than followed, since the result would replace the link itself.
 */
export function expectPlace(path: string): void {
  if (path === '-' || /^\/(dev\/(?!shm\/)|proc\/)/.test(path)) {
    throw new InputError(
      `${path}: results can be written only to files, not to a pipe, a device or /proc; name another file`,
    );
  }
  const stats = statsOf(path, lstatSync);
  if (stats === null) {
    expectFolderAbove(path);
    return;
  }
  if (stats.isFile()) {
    expectFolderAbove(path); // a file is replaced, not written to
    return;
  }
  if (stats.isSymbolicLink()) {
    const target = resolve(dirname(path), readlinkSync(path));
    throw new InputError(
      `${path}: is a link, which the result would replace; name its target, ${target}, or another file`,
    );
  }
  if (stats.isDirectory()) {
    throw new InputError(`${path}: cannot be written, it is a folder; name a file`);
  }
  throw new InputError(
    `${path}: is ${specialKind(stats)}, but results can be written only to files; name a file`,
  );
}

/** @throws InputError unless a folder of results may be written to `path`: there is nothing, or an empty one */
export function expectFolderPlace(path: string): void {
  const stats = statsOf(path, lstatSync);
  if (!stats?.isDirectory()) {
    expectPlace(path);
    if (stats === null) return;
    throw new InputError(`${path}: is a file, and a folder is to be written; name another place`);
  }
  if (readdirSync(path).length === 0) return;
  throw new InputError(`${path}: holds files already; name a new folder, or empty it`);
}

/** @throws InputError unless the nearest existing path above is a folder that may be written to */
function expectFolderAbove(path: string): void {
  let above = dirname(resolve(path));
  while (statsOf(above, statSync) === null && above !== dirname(above)) above = dirname(above);
  if (statsOf(above, statSync)?.isDirectory()) {
    try {
      accessSync(above, constants.W_OK);
    } catch (cause) {
      throw writeFailure(path, cause);
    }
    return;
  }
  throw new InputError(
    `${path}: cannot be written, part of its path is a file (${above}); choose another place`,
  );
}

/** The files and folders that are read, to make sure that results do not overwrite them. */
export class SourceFiles {
  private readonly byPath = new Map<string, ReadFrom>();
  private readonly byNumber = new Map<string, ReadFrom>();
  private readonly folders: { real: string; from: ReadFrom }[] = [];

  constructor(files: readonly ReadFrom[]) {
    for (const from of files) {
      const stats = statsOf(from.path, statSync);
      if (stats === null) continue; // reported when it is read
      const real = realpathSync(from.path);
      if (this.byPath.has(real)) continue;
      this.byPath.set(real, from);
      this.byNumber.set(numberOf(stats), from);
      if (stats.isDirectory()) this.folders.push({ real, from });
    }
  }

  /**
   * @throws InputError if the output file is one of the files read, under whatever name, or
   *   would lie directly in a folder that is read
   */
  expectOther(path: string): void {
    this.expectOtherFile(path);
    const real = realPlace(path);
    const around = this.folders.find((folder) => folder.real === dirname(real));
    if (around) throw liesIn(path, around.from);
  }

  /** @throws InputError if the output file is one of the files read, under whatever name */
  expectOtherFile(path: string): void {
    const stats = statsOf(path, statSync);
    const same = this.byPath.get(realPlace(path)) ?? (stats && this.byNumber.get(numberOf(stats)));
    if (same) {
      throw new InputError(
        `${path}: is ${named(path, same)}, which the result would replace; name another file`,
      );
    }
  }

  /** @throws InputError if the output folder is one of the folders that are read, or lies in one */
  expectOtherFolder(path: string): void {
    const real = realPlace(path);
    const around = this.folders.find((folder) => isWithin(real, folder.real));
    if (around) throw liesIn(path, around.from);
  }
}

/** Is `path` the folder of results, or one in which that lies or would lie? */
export function holdsResults(path: string, results: string): boolean {
  return isWithin(realPlace(results), realPlace(path));
}

const isWithin = (real: string, folder: string): boolean =>
  real === folder || real.startsWith(folder + sep);

/** The note on a folder that is left out of the inputs, since it holds the results. */
export const resultsLeftOut = (path: string): string =>
  `${path}: holds the results, so it is not an input`;

const named = (path: string, { path: read, what }: ReadFrom): string =>
  read === path ? `${what} itself` : `${what} ${read}`;

const liesIn = (path: string, from: ReadFrom): InputError =>
  new InputError(
    `${path}: ${from.path === path ? 'is' : 'lies in'} ${named(path, from)}, whose files are read; name another folder`,
  );

/** Identifies a file: hard links to the same file have the same device and inode. */
const numberOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

/** The absolute path with all links resolved; the file itself need not exist yet. */
function realPlace(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const above = dirname(absolute);
    return above === absolute ? absolute : join(realPlace(above), basename(absolute));
  }
}

/**
 * The stats of a path; null if nothing is there.
 * @throws InputError if the system refuses the name
 */
function statsOf(path: string, stat: (path: string) => Stats): Stats | null {
  try {
    return stat(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return null;
    throw unreadable(path, cause);
  }
}
