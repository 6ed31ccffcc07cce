/** Checks names of repositories, revisions and files before they become part of a path. */
import { InputError, JobError } from '../errors.js';

export interface RepoRevision {
  /** `ORG/NAME`, or `NAME` for a few old repositories */
  repo: string;
  /** branch, tag or commit */
  revision: string;
}

const NAME = /^[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/;
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * Parses `ORG/NAME` or `ORG/NAME@REVISION`.
 * @throws InputError if it cannot be the name of a repository or of a revision
 */
export function parseRepo(text: string): RepoRevision {
  const at = text.indexOf('@');
  const repo = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? 'main' : text.slice(at + 1);
  if (!isRepo(repo)) {
    throw new InputError(
      `${text}: must be the name of a repository as shown on its page, ORG/NAME or ORG/NAME@REVISION`,
    );
  }
  return { repo, revision: checkRevision(revision) };
}

/** Whether a text can be ORG/NAME or ORG/NAME@REVISION, and not just a folder. */
export function looksLikeRepo(text: string): boolean {
  const [repo = ''] = text.split('@');
  return repo.includes('/') && isRepo(repo);
}

function isRepo(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every((part) => NAME.test(part) && !/--|\.\./.test(part));
}

/** @throws InputError if a branch, tag or commit cannot have this name in git */
export function checkRevision(revision: string): string {
  const wrong = (part: string) => part === '' || part.startsWith('.') || part.endsWith('.lock');
  if (!/^[\w./+-]+$/.test(revision) || revision.split('/').some(wrong) || revision.includes('..')) {
    throw new InputError(`"${revision}": must be a branch, a tag or a commit, e.g. main`);
  }
  return revision;
}

export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/**
 * Refuses file names that would lead out of the snapshot's folder on any operating system.
 * @throws JobError naming the file
 */
export function checkFileName(repo: string, name: string): string {
  const parts = name.split('/');
  const wrong = (part: string) => part === '' || part === '.' || part === '..';
  if (Buffer.byteLength(name) > 1024 || parts.some((part) => Buffer.byteLength(part) > 255)) {
    throw new JobError(
      `${repo}: the file name ${JSON.stringify(name.slice(0, 60))}… is too long for a disk; nothing was downloaded, tell the repository's owner`,
    );
  }
  if (parts.some(wrong) || /[\\\p{Cc}]|^[A-Za-z]:/u.test(name)) {
    throw new JobError(
      `${repo}: the file name ${JSON.stringify(name)} leads out of its folder; nothing was downloaded, tell the repository's owner`,
    );
  }
  return name;
}
