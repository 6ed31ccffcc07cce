/**
 * A pool of worker threads that makes data ahead of its use. Jobs and results are messages, the
 * buffers of a result are moved, not copied; results come in the order of their jobs, whatever the
 * workers' timing. A worker's file calls `serveJobs` once.
 */
import { availableParallelism, setPriority } from 'node:os';
import { parentPort, Worker } from 'node:worker_threads';
import { InputError, JobError } from '../errors.js';

export interface WorkerPoolOptions<Job> {
  /** threads; by default one per processor, at most 4 */
  workers?: number;
  /** how many jobs may be under way or waiting to be taken, by default three per worker */
  queue?: number;
  /** names a job in error messages, e.g. by its seed */
  describe?: (job: Job) => string;
  /** ends the threads; what still runs, and what comes after, fails with the signal's reason */
  signal?: AbortSignal;
  /** what each thread finds as its `workerData` */
  data?: unknown;
}

export interface WorkerPool<Job, Result> {
  /** One job's result. @throws JobError naming the job if its worker fails */
  run(job: Job): Promise<Result>;
  /**
   * The results of `jobs` in their order, at most `queue` of them ahead of the reader. Jobs are
   * taken from the iterable only as there is room, so it may be endless.
   */
  stream(jobs: Iterable<Job>): AsyncGenerator<Result, void, void>;
  /** Ends the threads; what still runs fails with a JobError. */
  close(): Promise<void>;
}

interface Request {
  id: number;
  job: unknown;
}

interface Reply {
  id: number;
  result?: unknown;
  error?: unknown;
}

interface Pending<Job> {
  job: Job;
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

interface Member<Job> {
  worker: Worker;
  pending: Map<number, Pending<Job>>;
}

/**
 * Starts a pool whose threads run the module `workerUrl` (TypeScript too, where tsx is installed).
 *
 * @throws InputError for fewer than one worker or place in the queue
 */
export function createWorkerPool<Job, Result>(
  workerUrl: URL,
  {
    workers = Math.min(availableParallelism(), 4),
    queue = 3 * workers,
    describe = (job) => JSON.stringify(job),
    signal,
    data,
  }: WorkerPoolOptions<Job> = {},
): WorkerPool<Job, Result> {
  for (const [name, value] of Object.entries({ workers, queue })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new InputError(
        `createWorkerPool: ${name} is a whole number of at least 1, got ${value}`,
      );
    }
  }
  let nextId = 0;
  let failure: JobError | undefined;
  let closing = false;
  // what the threads run is stopped by Ctrl-C too, which must not look like the job's fault
  const failureOf = (job: Job, cause: unknown): Error =>
    signal?.aborted ? (signal.reason as Error) : jobError(describe(job), cause);
  const members = Array.from({ length: workers }, (): Member<Job> => {
    const worker = startWorker(workerUrl, data);
    const pending = new Map<number, Pending<Job>>();
    worker.on('message', ({ id, result, error }: Reply) => {
      const { job, resolve, reject } = pending.get(id)!;
      pending.delete(id);
      // an idle pool doesn't keep the process alive, but the end of its threads is waited for
      if (pending.size === 0 && !closing) {
        worker.unref();
      }
      if (error === undefined) {
        resolve(result);
      } else {
        reject(failureOf(job, error));
      }
    });
    const end = (cause: unknown) => {
      failure ??= new JobError(`data worker: ${messageOf(cause)}`, { cause });
      for (const { job, reject } of pending.values()) {
        reject(failureOf(job, cause));
      }
      pending.clear();
    };
    worker.on('error', end);
    worker.on('exit', () => end(new Error('its thread ended')));
    worker.unref();
    return { worker, pending };
  });

  function run(job: Job): Promise<Result> {
    if (failure) {
      return Promise.reject(signal?.aborted ? signal.reason : failure);
    }
    const { worker, pending } = members.reduce((a, b) => (b.pending.size < a.pending.size ? b : a));
    const id = nextId++;
    return new Promise<Result>((resolve, reject) => {
      pending.set(id, { job, resolve: resolve as (result: unknown) => void, reject });
      worker.ref();
      worker.postMessage({ id, job } satisfies Request);
    });
  }

  async function* stream(jobs: Iterable<Job>): AsyncGenerator<Result, void, void> {
    const iterator = jobs[Symbol.iterator]();
    const ahead: Promise<Result>[] = [];
    try {
      for (let done = false; ; ) {
        while (!done && ahead.length < queue) {
          const next = iterator.next();
          done = next.done === true;
          if (!next.done) {
            const result = run(next.value);
            result.catch(() => {}); // reported when its turn comes
            ahead.push(result);
          }
        }
        const first = ahead.shift();
        if (first === undefined) {
          return;
        }
        yield await first;
      }
    } finally {
      iterator.return?.();
    }
  }

  const stop = () => void close();
  signal?.addEventListener('abort', stop, { once: true });

  async function close(): Promise<void> {
    signal?.removeEventListener('abort', stop);
    failure ??= new JobError('data worker: its pool is closed');
    closing = true;
    for (const { worker } of members) worker.ref();
    await Promise.all(members.map(({ worker }) => worker.terminate()));
  }

  return { run, stream, close };
}

/** The file of a worker beside the module at `url`, source or built: `workerBeside(import.meta.url, 'name')`. */
export function workerBeside(url: string, name: string): URL {
  const extension = url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./${name}.${extension}`, url);
}

/** Runs up to `count` ahead of the reader; results come in order. */
export async function* ahead<T, R>(
  inputs: readonly T[],
  count: number,
  run: (input: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  let next = 0;
  while (next < inputs.length || running.length > 0) {
    while (next < inputs.length && running.length < count) {
      const result = run(inputs[next++]!);
      result.catch(() => {}); // reported when its turn comes
      running.push(result);
    }
    yield await running.shift()!;
  }
}

/**
 * Called by a worker's module: answers each job with what `handle` returns. The buffers named by
 * `transfer` are moved to the reader.
 */
export function serveJobs<Job, Result>(
  handle: (job: Job) => Result | Promise<Result>,
  transfer: (result: Result) => ArrayBuffer[] = () => [],
): void {
  const port = parentPort;
  if (!port) {
    throw new JobError('serveJobs: must be called in a worker thread');
  }
  yieldToModel();
  port.on('message', async ({ id, job }: Request) => {
    try {
      const result = await handle(job as Job);
      port.postMessage({ id, result } satisfies Reply, transfer(result));
    } catch (error) {
      port.postMessage({ id, error } satisfies Reply);
    }
  });
}

/**
 * Gives way to the thread that trains: what is made ahead is made where that leaves the processors
 * idle. On Linux a thread has a priority of its own, which programs that it starts inherit; elsewhere
 * it would be the whole process's.
 */
function yieldToModel(): void {
  if (process.platform === 'linux') setPriority(19);
}

/**
 * Starts the thread. For a TypeScript module it loads tsx first, found from here, not from where the
 * program was started: on Node 20 a thread inherits no hooks, and `--import tsx` sets none in it.
 */
function startWorker(url: URL, workerData: unknown): Worker {
  if (!url.pathname.endsWith('.ts')) {
    return new Worker(url, { workerData });
  }
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const boot = `import(${tsx}).then(({ register }) => (register(), import('${url.href}')))`;
  return new Worker(boot, { eval: true, execArgv: [], workerData });
}

function jobError(job: string, cause: unknown): JobError {
  return new JobError(`data worker: ${job} failed, ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
