/** Downloads one file from the hub to its blob. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open as openFile, rename, rm } from 'node:fs/promises';
import { JobError } from '../errors.js';
import { type RepoCache, sizeOf } from './cache.js';
import type { RemoteFile } from './listing.js';
import type { RepoRevision } from './repo.js';
import { get, type Hub, MAX_FAILURES, passing, pause, refusal, TransientError } from './request.js';

export interface DownloadOptions {
  /** called with the number of the file's bytes on disk */
  onBytes?: (done: number) => void;
  /** opens the partial file; tests use this to simulate a full disk */
  open?: (path: string, flags: string) => Promise<FileHandle>;
}

/**
 * Downloads `file` unless its blob exists: resumes a partial download, retries after interruptions,
 * verifies the checksum, and only then gives the blob its final name.
 *
 * @param target  the repository at a commit
 * @throws JobError if the connection keeps failing (the
 *    partial file is kept), or the checksum is wrong twice
 */
export async function downloadFile(
  hub: Hub,
  target: RepoRevision,
  file: RemoteFile,
  cache: RepoCache,
  { onBytes = () => {}, open = openFile }: DownloadOptions = {},
): Promise<void> {
  const blob = cache.blob(file.sha);
  if ((await sizeOf(blob)) === file.sizeBytes) return onBytes(file.sizeBytes);
  const path = cache.partial(file.sha);
  for (let wrong = 0; ; wrong++) {
    const part = await Part.open(path, file, open);
    try {
      await fill(hub, target, file, part, onBytes);
      await part.sync();
    } finally {
      await part.close();
    }
    const digest = part.digest();
    if (digest === file.sha) return rename(path, blob);
    // these bytes are wrong, so there is nothing to resume
    await rm(path, { force: true });
    onBytes(0);
    if (wrong > 0) {
      throw new JobError(
        `${target.repo}/${file.name}: arrived twice with a wrong checksum (${short(digest)}, must be ${short(file.sha)}) and was deleted; try again later, or over another network`,
      );
    }
  }
}

/** Requests the missing bytes until the partial file is complete. */
async function fill(
  hub: Hub,
  target: RepoRevision,
  file: RemoteFile,
  part: Part,
  onBytes: (done: number) => void,
): Promise<void> {
  onBytes(part.size);
  for (let failures = 0; part.size < file.sizeBytes; ) {
    const before = part.size;
    try {
      await receive(hub, target, file, part, onBytes);
      if (part.size < file.sizeBytes) throw new TransientError('the connection was cut', false);
    } catch (error) {
      hub.signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      failures = part.size > before ? 1 : failures + 1;
      if (failures >= MAX_FAILURES) {
        throw new JobError(
          `${target.repo}/${file.name}: cut off at ${part.size} of ${file.sizeBytes} bytes, ${error.message}; the same command resumes from there`,
          { cause: error },
        );
      }
      await pause(Math.max(hub.pauseMs(failures), error.retryAfterMs), hub.signal);
    }
  }
}

/** Makes one request, and appends its bytes until it ends or is interrupted. */
async function receive(
  hub: Hub,
  target: RepoRevision,
  file: RemoteFile,
  part: Part,
  onBytes: (done: number) => void,
): Promise<void> {
  const path = file.name.split('/').map(encodeURIComponent).join('/');
  const address = `${hub.endpoint}/${target.repo}/resolve/${target.revision}/${path}`;
  const watch = new Watch(hub);
  try {
    const headers: Record<string, string> = part.size > 0 ? { range: `bytes=${part.size}-` } : {};
    const response = await get(hub, address, { headers, signal: watch.signal });
    const { host } = new URL(response.url || address);
    if (!response.ok) {
      await response.body?.cancel();
      if (response.status !== 416) throw refusal(hub, target, response);
      await part.restart(); // the server's file is shorter, so these bytes are not from it
      throw new TransientError(`${host} (status 416)`, false);
    }
    const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (response.status !== 206 || Number(from) !== part.size) await part.restart();
    if (response.status === 206 && Number(from) !== part.size) {
      await response.body?.cancel();
      throw new TransientError(`${host} (sent another range than requested)`, false);
    }
    const chunks = response.body?.[Symbol.asyncIterator]();
    for (;;) {
      // only failures of the network are transient; a full disk is not
      const next = await watch.within(chunks?.next()).catch((error) => {
        throw passing(error, host, watch.signal);
      });
      if (!next || next.done) return;
      watch.feed();
      await part.append(next.value as Uint8Array);
      onBytes(Math.min(part.size, file.sizeBytes));
      if (part.size > file.sizeBytes) {
        // longer than announced: the checksum will be wrong
        watch.stop();
        return;
      }
    }
  } finally {
    watch.end();
  }
}

/** Aborts a request when no bytes have arrived for a while, or when the hub's signal aborts. */
class Watch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private readonly aborted = new Promise<never>((_, reject) => {
    this.controller.signal.addEventListener('abort', () => reject(this.controller.signal.reason));
  });
  private readonly stopWithHub = () => this.controller.abort(this.hub.signal!.reason);

  constructor(private readonly hub: Hub) {
    this.aborted.catch(() => {}); // whoever awaits it sees the error
    if (hub.signal?.aborted) this.stopWithHub();
    hub.signal?.addEventListener('abort', this.stopWithHub);
    this.feed();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  feed(): void {
    clearTimeout(this.timer);
    const seconds = Math.round(this.hub.stallMs / 1000);
    this.timer = setTimeout(() => {
      this.controller.abort(new TransientError(`no bytes arrived for ${seconds} s`, false));
    }, this.hub.stallMs);
  }

  /** Races the promise against the abort, since the body of an aborted request does not always settle. */
  within<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
    return Promise.race([promise ?? Promise.resolve(undefined), this.aborted]);
  }

  stop(): void {
    this.controller.abort();
  }

  end(): void {
    clearTimeout(this.timer);
    this.hub.signal?.removeEventListener('abort', this.stopWithHub);
  }
}

/**
 * A partial file, with the checksum of its bytes so far. Bytes are written at explicit positions: should
 * two programs write the same part in spite of the lock, both write the same bytes.
 */
class Part {
  size = 0;
  private hash: Hash;

  private constructor(
    private readonly handle: FileHandle,
    private readonly file: RemoteFile,
  ) {
    this.hash = newHash(file);
  }

  static async open(
    path: string,
    file: RemoteFile,
    open: (path: string, flags: string) => Promise<FileHandle>,
  ): Promise<Part> {
    // 'a' creates the file if necessary, 'r+' allows writing at a position
    await (await open(path, 'a')).close();
    const handle = await open(path, 'r+');
    const part = new Part(handle, file);
    const buffer = Buffer.alloc(1 << 20);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, part.size);
      if (bytesRead === 0) break;
      part.hash.update(buffer.subarray(0, bytesRead));
      part.size += bytesRead;
    }
    if (part.size > file.sizeBytes) await part.restart();
    return part;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      const rest = bytes.subarray(written);
      const { bytesWritten } = await this.handle.write(rest, 0, rest.length, this.size + written);
      written += bytesWritten;
    }
    this.hash.update(bytes);
    this.size += bytes.length;
  }

  async restart(): Promise<void> {
    if (this.size > 0) await this.handle.truncate(0);
    this.size = 0;
    this.hash = newHash(this.file);
  }

  /**
   * Flushes to the disk, since a blob with its final name
   * must be complete even after a power failure.
   */
  sync(): Promise<void> {
    return this.handle.datasync();
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  digest(): string {
    return this.hash.digest('hex');
  }
}

/** sha256 of the content, or git's hash: sha1 of `blob SIZE\0` followed by the content. */
function newHash({ sha, sizeBytes }: RemoteFile): Hash {
  return sha.length === 64
    ? createHash('sha256')
    : createHash('sha1').update(`blob ${sizeBytes}\0`);
}

function short(digest: string): string {
  return `${digest.slice(0, 12)}…`;
}
