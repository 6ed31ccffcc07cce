/** Downloads the files of a repository at one revision into a snapshot in the cache. */
import { mkdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError, JobError, MfmError } from '../errors.js';
import { withLock } from '../processes/lock.js';
import {
  findSnapshot,
  linkFile,
  type RepoCache,
  repoCache,
  sizeOf,
  tagCache,
  writeRef,
} from './cache.js';
import { type DownloadOptions, downloadFile } from './download.js';
import { listFiles, type RemoteFile, resolveCommit } from './listing.js';
import type { RepoRevision } from './repo.js';
import { growingPause, type Hub, STALL_MS } from './request.js';
import { type Selection, selectFiles } from './select.js';
import type { HubSettings } from './settings.js';

export interface PullRequest extends RepoRevision, Selection {
  settings: HubSettings;
  /** number of files that are downloaded at once */
  parallel: number;
  signal?: AbortSignal;
  /** called once, before the first byte */
  onPlan?: (plan: PullPlan) => void;
  /** called with the number of bytes on disk, out of `plan.totalBytes` */
  onBytes?: (done: number) => void;
  /** called while another process downloads the same repository */
  onWait?: (pid: number) => void;
  /** replaced by tests */
  pauseMs?: Hub['pauseMs'];
  stallMs?: number;
  open?: DownloadOptions['open'];
  freeBytes?: (folder: string) => Promise<number>;
}

export interface PullPlan {
  commit: string;
  files: readonly RemoteFile[];
  /** names left out by the selection */
  left: readonly string[];
  totalBytes: number;
  /** bytes of these that were on disk before, in complete and partial files */
  presentBytes: number;
}

export interface PullResult {
  /** snapshots/COMMIT */
  folder: string;
  commit: string;
}

/**
 * Downloads the missing files and links them into `snapshots/COMMIT`. Nothing appears there until every
 * file is complete; partial files are kept for the next call.
 *
 * @throws InputError if the repository or revision does not exist or may not be read; JobError if the
 *   download fails
 */
export async function pull(request: PullRequest): Promise<PullResult> {
  const { repo, revision, settings } = request;
  if (settings.offline) return fromCache(request);
  // one failure stops the other downloads too
  const stop = new AbortController();
  const forward = () => stop.abort(request.signal!.reason);
  if (request.signal?.aborted) forward();
  request.signal?.addEventListener('abort', forward);
  const hub: Hub = {
    endpoint: settings.endpoint,
    token: settings.token,
    signal: stop.signal,
    stallMs: request.stallMs ?? STALL_MS,
    pauseMs: request.pauseMs ?? growingPause,
  };
  const cache = repoCache(settings.cache, repo);
  try {
    const commit = await resolveCommit(hub, { repo, revision });
    const all = await listFiles(hub, { repo, revision: commit });
    const { chosen, left } = selectFiles(
      all.map(({ name }) => name),
      request,
    );
    if (chosen.length === 0) throw nothingChosen(request, all);
    const names = new Set(chosen);
    const files = all.filter(({ name }) => names.has(name));
    await tagCache(settings.cache);
    return await withLock(
      join(cache.locks, 'mfm-pull.lock'),
      async () => {
        await fetchAll(request, hub, cache, { commit, files, left }, stop);
        for (const file of files) await linkFile(cache, commit, file);
        await writeRef(cache, revision, commit);
        return { folder: cache.snapshot(commit), commit };
      },
      { signal: stop.signal, onWait: request.onWait },
    );
  } catch (error) {
    throw diskFailure(error, settings.cache);
  } finally {
    request.signal?.removeEventListener('abort', forward);
  }
}

/** Downloads the blobs, `parallel` at a time, the largest first. */
async function fetchAll(
  request: PullRequest,
  hub: Hub,
  cache: RepoCache,
  { commit, files, left }: Pick<PullPlan, 'commit' | 'files' | 'left'>,
  stop: AbortController,
): Promise<void> {
  // several names may share the same content
  const blobs = [...new Map(files.map((file) => [file.sha, file])).values()];
  blobs.sort((a, b) => b.sizeBytes - a.sizeBytes);
  await mkdir(dirname(cache.blob('x')), { recursive: true });
  const done = new Map<string, number>();
  for (const { sha, sizeBytes } of blobs) {
    const there = (await sizeOf(cache.blob(sha))) ?? (await sizeOf(cache.partial(sha))) ?? 0;
    done.set(sha, Math.min(there, sizeBytes));
  }
  const sum = () => [...done.values()].reduce((a, b) => a + b, 0);
  const totalBytes = blobs.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const presentBytes = sum();
  request.onPlan?.({ commit, files, left, totalBytes, presentBytes });
  await expectSpace(request, totalBytes - presentBytes);

  const queue = [...blobs];
  const target = { repo: request.repo, revision: commit };
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const { sha } = file;
      hub.signal?.throwIfAborted();
      const onBytes = (bytes: number) => {
        done.set(sha, bytes);
        request.onBytes?.(sum());
      };
      await downloadFile(hub, target, file, cache, { onBytes, open: request.open });
    }
  };
  let first: { error: unknown } | undefined;
  const workers = Array.from({ length: Math.min(request.parallel, blobs.length) }, () =>
    worker().catch((error) => {
      first ??= { error };
      stop.abort(error);
    }),
  );
  await Promise.all(workers); // even after a failure, so that every partial file is closed
  if (first) throw first.error;
}

async function expectSpace(request: PullRequest, missingBytes: number): Promise<void> {
  const { settings, freeBytes = freeBytesOf } = request;
  const free = await freeBytes(settings.cache);
  if (free >= missingBytes) return;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new JobError(
    `${settings.cache}: ${gb(missingBytes)} are still to be downloaded, but only ${gb(free)} are free; free some space or set HF_HUB_CACHE to another disk`,
  );
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function fromCache({ repo, revision, settings }: PullRequest): PullResult {
  const folder = findSnapshot(settings.cache, { repo, revision });
  if (folder === undefined) {
    throw new InputError(
      `${repo}: revision ${revision} is not in ${settings.cache}; run \`mfm pull ${repo}\` without \`offline\` and HF_HUB_OFFLINE`,
    );
  }
  return { folder, commit: folder.slice(-40) };
}

function nothingChosen({ repo, include, exclude }: PullRequest, all: readonly RemoteFile[]) {
  if (all.length === 0) return new InputError(`${repo}: the repository is empty`);
  const globs = [
    ...include.map((g) => `\`include: '${g}'\``),
    ...exclude.map((g) => `\`exclude: '${g}'\``),
  ];
  const names = all.slice(0, 3).map(({ name }) => name);
  return new InputError(
    `${repo}: ${globs.join(' ') || 'the default selection'} leaves none of its ${all.length} files (${names.join(', ')}, …)`,
  );
}

function diskFailure(error: unknown, cache: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof MfmError) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new JobError(
      `${cache}: the disk is full; free some space, then the same command resumes where it stopped`,
      { cause: error },
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new InputError(`${cache}: cannot be written to; set HF_HUB_CACHE to another folder`, {
      cause: error,
    });
  }
  return error;
}
