/**
 * The cache folder, in the layout of huggingface_hub:
 *
 *     CACHEDIR.TAG                            tells backup programs to skip the folder
 *     .locks/models--ORG--NAME/
 *     models--ORG--NAME/
 *       blobs/SHA                             contents, named by sha256 (LFS) or git's sha1
 *       blobs/SHA.incomplete                  a partial download
 *       refs/main                             the commit that a branch or tag last pointed to
 *       snapshots/COMMIT/vae/config.json      → ../../../blobs/SHA
 *
 * Source: huggingface_hub, "Understand caching"
 */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { JobError } from '../errors.js';
import { isCommit, type RepoRevision } from './repo.js';

export interface RepoCache {
  /** models--ORG--NAME */
  folder: string;
  /** folder for locks */
  locks: string;
  blob(sha: string): string;
  partial(sha: string): string;
  snapshot(commit: string): string;
  ref(revision: string): string;
}

export function repoCache(cache: string, repo: string): RepoCache {
  const name = `models--${repo.replace('/', '--')}`;
  const folder = join(cache, name);
  return {
    folder,
    locks: join(cache, '.locks', name),
    blob: (sha) => join(folder, 'blobs', sha),
    partial: (sha) => join(folder, 'blobs', `${sha}.incomplete`),
    snapshot: (commit) => join(folder, 'snapshots', commit),
    ref: (revision) => join(folder, 'refs', revision),
  };
}

/** The folder with the files of a revision, if it has been downloaded, by this program or by Python. */
export function findSnapshot(cache: string, target: RepoRevision): string | undefined {
  const { ref, snapshot } = repoCache(cache, target.repo);
  const path = ref(target.revision);
  const commit = isCommit(target.revision)
    ? target.revision
    : existsSync(path) && readFileSync(path, 'utf8').trim();
  if (!commit || !isCommit(commit)) return undefined;
  return existsSync(snapshot(commit)) ? snapshot(commit) : undefined;
}

/** Size of a file in bytes; undefined if it does not exist. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

/** Makes `snapshots/COMMIT/NAME` a relative link to the blob. */
export async function linkFile(
  cache: RepoCache,
  commit: string,
  { name, sha }: { name: string; sha: string },
): Promise<void> {
  const link = join(cache.snapshot(commit), name);
  const target = relative(dirname(link), cache.blob(sha));
  if (linkTarget(link) === target) return;
  await mkdir(dirname(link), { recursive: true });
  const temporary = `${link}.${process.pid}.tmp`;
  try {
    await symlink(target, temporary);
  } catch (cause) {
    if (!['EPERM', 'ENOSYS', 'ENOTSUP'].includes((cause as NodeJS.ErrnoException).code ?? '')) {
      throw cause;
    }
    throw new JobError(
      `${cache.folder}: this disk has no symbolic links; set HF_HUB_CACHE to a folder on one that has`,
      { cause },
    );
  }
  await rename(temporary, link);
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined; // does not exist, or is not a link
  }
}

/** Records which commit a branch or tag points to; a commit itself needs no record. */
export async function writeRef(cache: RepoCache, revision: string, commit: string): Promise<void> {
  const path = cache.ref(revision);
  if (revision === commit) return;
  if (existsSync(path) && readFileSync(path, 'utf8') === commit) return;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, commit); // without a line break, because Python uses the whole content
  await rename(temporary, path);
}

/** Source: Cache Directory Tagging Specification, bford.info/cachedir */
export async function tagCache(cache: string): Promise<void> {
  const path = join(cache, 'CACHEDIR.TAG');
  if (existsSync(path)) return;
  await mkdir(cache, { recursive: true });
  await writeFile(path, 'Signature: 8a477f597d28d172789f06886806bc55\n');
}
