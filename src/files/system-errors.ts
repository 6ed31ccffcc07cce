/** What the codes of the system's errors mean for a file, and what to do: one sentence each. */

export type FileUse = 'reading' | 'writing' | 'any';

/** By code: a sentence without the path for any use, and others for reading and writing. */
interface Meaning {
  any?: string;
  reading?: string;
  writing?: string;
}

const DISK_FULL: Meaning = {
  any: 'no space left on the disk; free some or write somewhere else',
  writing: 'cannot be written, the disk is full; free some space and run again',
};
const TOO_MANY: Meaning = { any: 'too many open files; raise the limit with `ulimit -n 4096`' };
const FOLDER_READ_ONLY = 'cannot be written, its folder is read-only; name another place';
const NO_PERMISSION: Meaning = {
  any: 'permission denied; choose another place or change its permissions',
  reading: 'may not be read; change its permissions',
  writing: FOLDER_READ_ONLY,
};
const NO_FILE = 'no such file; check the path';
const PATH_HAS_FILE = 'cannot be written, part of its path is a file; name another place';

const MEANINGS: Partial<Record<string, Meaning>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EMFILE: TOO_MANY,
  ENFILE: TOO_MANY,
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: { any: 'the disk is read-only; choose another place', writing: FOLDER_READ_ONLY },
  ENOENT: { any: 'no such file or folder; check the path', reading: NO_FILE },
  ENOTDIR: {
    any: 'part of the path is a file, not a folder',
    reading: NO_FILE,
    writing: PATH_HAS_FILE,
  },
  EEXIST: {
    any: 'is there already; choose another name or remove it',
    writing: PATH_HAS_FILE,
  },
  EISDIR: {
    any: 'must be a file, is a folder',
    writing: 'cannot be written, it is a folder; name a file',
  },
  ENAMETOOLONG: {
    any: 'its name is longer than the system allows; give it a shorter one',
    writing: 'cannot be written, its name is longer than the system allows; give a shorter one',
  },
  ELOOP: { any: 'is a link that leads to itself; name the file' },
  ENXIO: { reading: 'is not a file that can be read; save what it gives to a file first' },
  ERR_FS_FILE_TOO_LARGE: { reading: 'is larger than 2 GB; reduce it' },
};

/** Codes after which the job has failed, whoever's fault it is; the others are the input's. */
const OF_THE_JOB = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'];

/**
 * What an error of the system or of Node.js says of a path, to be written behind it.
 * @returns undefined for an error that has no sentence for this use
 */
export function fileProblem(
  error: unknown,
  use: FileUse,
): { reason: string; isInput: boolean } | undefined {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  const isNul = code === 'ERR_INVALID_ARG_VALUE' && /null bytes/.test(message);
  const reason = isNul
    ? 'a path must not hold the character NUL; check it'
    : (MEANINGS[code]?.[use] ?? (use === 'writing' ? undefined : MEANINGS[code]?.any));
  return reason === undefined ? undefined : { reason, isInput: !OF_THE_JOB.includes(code) };
}
