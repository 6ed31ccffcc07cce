/** Explains system error codes for a file: one sentence each, with the remedy. */

export type FileUse = 'reading' | 'writing' | 'any';

/** The sentence for a code, without the path: for any use, and specifically for reading or writing. */
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
const FOLDER_READ_ONLY = 'cannot be written, its folder is read-only; choose another place';
const NO_PERMISSION: Meaning = {
  any: 'permission denied; choose another place or change its permissions',
  reading: 'may not be read; change its permissions',
  writing: FOLDER_READ_ONLY,
};
const NO_FILE = 'no such file; check the path';
const PATH_HAS_FILE = 'cannot be written, part of its path is a file; choose another place';

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
  ENXIO: { reading: 'is not a readable file; save its output to a file first' },
  ERR_FS_FILE_TOO_LARGE: { reading: 'is larger than 2 GB; reduce it' },
};

/** Codes that are failures of the job; the others are problems of the input. */
const OF_THE_JOB = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'];

/**
 * Explains an error of the system or of Node.js for a path; the reason is to follow the path.
 * @returns undefined for an error without a sentence for this use
 */
export function fileProblem(
  error: unknown,
  use: FileUse,
): { reason: string; isInput: boolean } | undefined {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  const isNul = code === 'ERR_INVALID_ARG_VALUE' && /null bytes/.test(message);
  const reason = isNul
    ? 'a path must not contain the character NUL; check it'
    : (MEANINGS[code]?.[use] ?? (use === 'writing' ? undefined : MEANINGS[code]?.any));
  return reason === undefined ? undefined : { reason, isInput: !OF_THE_JOB.includes(code) };
}
