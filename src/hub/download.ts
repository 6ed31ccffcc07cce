/** One file, from the hub to its blob. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open as openFile, rename, rm } from 'node:fs/promises';
import { JobError } from '../errors.js';
import { type RepoCache, sizeOf } from './cache.js';
import type { RemoteFile } from './listing.js';
import type { RepoRevision } from './repo.js';
import { get, type Hub, MAX_FAILURES, passing, pause, refusal, TransientError } from './request.js';

export interface DownloadOptions {
  /** bytes on disk now, out of the file's size */
  onBytes?: (done: number) => void;
  /** opens the part for reading and writing; tests put a full disk here */
  open?: (path: string, flags: string) => Promise<FileHandle>;
}

/**
 * Downloads `file` unless its blob is there: goes on behind the bytes that a broken download left,
 * tries again after cuts, compares the checksum, and only then gives the blob its name.
 *
 * @param target  the repository at a commit
 * @throws JobError if the connection stays cut (the part is kept), or the checksum is wrong twice
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
    // what other bytes follow these is of no use
    await rm(path, { force: true });
    onBytes(0);
    if (wrong > 0) {
      throw new JobError(
        `${target.repo}/${file.name}: came twice with a wrong checksum (${short(digest)}, must be ${short(file.sha)}) and was deleted; try later, or another network`,
      );
    }
  }
}

/** Requests what is missing until the part has the file's size. */
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
          `${target.repo}/${file.name}: cut off at ${part.size} of ${file.sizeBytes} bytes, ${error.message}; the same command goes on from there`,
          { cause: error },
        );
      }
      await pause(Math.max(hub.pauseMs(failures), error.retryAfterMs), hub.signal);
    }
  }
}

/** One request: appends what comes, until the end or a cut. */
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
      await part.restart(); // the server has a shorter file, so these bytes are not its
      throw new TransientError(`${host} (status 416)`, false);
    }
    const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (response.status !== 206 || Number(from) !== part.size) await part.restart();
    if (response.status === 206 && Number(from) !== part.size) {
      await response.body?.cancel();
      throw new TransientError(`${host} (another range than asked for)`, false);
    }
    const chunks = response.body?.[Symbol.asyncIterator]();
    for (;;) {
      // only the network's failures are passing; a full disk is not
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

/** Aborts a request when no byte came for a while, or with the hub's signal. */
class Watch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private readonly aborted = new Promise<never>((_, reject) => {
    this.controller.signal.addEventListener('abort', () => reject(this.controller.signal.reason));
  });
  private readonly stopWithHub = () => this.controller.abort(this.hub.signal!.reason);

  constructor(private readonly hub: Hub) {
    this.aborted.catch(() => {}); // told to whoever waits
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
      this.controller.abort(new TransientError(`no byte came for ${seconds} s`, false));
    }, this.hub.stallMs);
  }

  /** The promise, or the reason of the abort: a body that is aborted does not always settle. */
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
 * The bytes of a file that are there, and their checksum so far. Written by position: should two
 * programs fill the same part in spite of the lock, both write the same bytes.
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
    // 'a' makes the file if there is none, 'r+' writes by position
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

  /** To the disk itself: a blob with a name counts as whole after a power cut too. */
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

/** sha256 of the content, or git's: sha1 of `blob SIZE\0` and the content. */
function newHash({ sha, sizeBytes }: RemoteFile): Hash {
  return sha.length === 64
    ? createHash('sha256')
    : createHash('sha1').update(`blob ${sizeBytes}\0`);
}

function short(digest: string): string {
  return `${digest.slice(0, 12)}…`;
}
