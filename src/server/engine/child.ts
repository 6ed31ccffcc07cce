/**
 * A child process that holds a pipeline, and the calls to it. It starts with the first call; if it
 * dies, the calls in progress fail, and the next one starts another.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isCheckout } from '../../files/package-root.js';
import { ToldError } from '../errors.js';
import type { ErrorBody } from '../schemas/error.js';
import type { CallName, Calls, FromChild, MakingEvent, ToChild } from './messages.js';

export interface CallOptions {
  onEvent?: (event: MakingEvent) => void;
  /** asks the call to end; if it has not within `graceMs`, the process is killed */
  signal?: AbortSignal;
}

interface Open {
  name: CallName;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
  onEvent?: (event: MakingEvent) => void;
}

/** A process and the calls to it that have no answer yet. */
interface Running {
  process: ChildProcess;
  open: Map<number, Open>;
  /** the pipeline that it has open, as it says itself */
  opened: string | null;
  printed: string;
  stopped: boolean;
}

/** How much of what the process printed is kept, to explain its death. */
const KEPT = 2000;

export interface ChildOptions {
  /** what messages call the process: `the engine` */
  what: string;
  /** its current folder */
  cwd: string;
  /** from an abort to the kill */
  graceMs: number;
}

export class EngineChild {
  private current: Running | null = null;
  private nextId = 0;
  /** how often a process was started */
  starts = 0;

  constructor(private readonly options: ChildOptions) {}

  get isRunning(): boolean {
    return this.current !== null;
  }

  get pid(): number | null {
    return this.current?.process.pid ?? null;
  }

  /** The pipeline that the process has open, as `OpenSpec` names it; null if none is. */
  get opened(): string | null {
    return this.current?.opened ?? null;
  }

  /** Memory that the process holds; null if it does not run, or the system does not say. */
  get memoryBytes(): number | null {
    if (this.pid === null) return null;
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
      return kib === undefined ? null : Number(kib) * 1024;
    } catch {
      return null;
    }
  }

  /** @throws ToldError with the library's sentence, or that the process died */
  async call<N extends CallName>(
    name: N,
    takes: Calls[N]['takes'],
    { onEvent, signal }: CallOptions = {},
  ): Promise<Calls[N]['answers']> {
    const running = this.current ?? this.start();
    const id = this.nextId++;
    let killing: NodeJS.Timeout | undefined;
    const onAbort = () => {
      send(running, { type: 'abort', id });
      killing = setTimeout(() => running.process.kill('SIGKILL'), this.options.graceMs);
    };
    try {
      return await new Promise<Calls[N]['answers']>((resolve, reject) => {
        running.open.set(id, { name, resolve, reject, onEvent });
        send(running, { type: 'call', id, name, takes });
        if (signal?.aborted) onAbort();
        else signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      clearTimeout(killing);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the process; calls in progress fail, and later ones start another process. */
  async stop(): Promise<void> {
    const { current } = this;
    if (!current) return;
    this.current = null;
    current.stopped = true;
    const ended = new Promise<void>((resolve) => current.process.once('exit', () => resolve()));
    current.process.kill('SIGKILL'); // it holds nothing that is not on disk
    await ended;
  }

  private start(): Running {
    const path = fileURLToPath(
      new URL(isCheckout ? './worker.ts' : './worker.js', import.meta.url),
    );
    const child = fork(path, [], {
      cwd: this.options.cwd,
      execArgv: isCheckout ? ['--import', import.meta.resolve('tsx')] : [],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const running: Running = {
      process: child,
      open: new Map(),
      opened: null,
      printed: '',
      stopped: false,
    };
    this.current = running;
    this.starts++;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        running.printed = (running.printed + text).slice(-KEPT);
      });
    }
    child.on('message', (message) => heard(running, message as FromChild));
    child.on('error', (error) => this.died(running, error.message));
    child.on('exit', (code, signal) => this.died(running, signal ?? `exit code ${code}`));
    return running;
  }

  private died(running: Running, how: string): void {
    if (this.current === running) this.current = null;
    const { what } = this.options;
    const { open, printed, stopped } = running;
    const error = new ToldError(stopped ? stopOf(what) : deathOf(what, how, printed));
    for (const { reject } of open.values()) reject(error);
    open.clear();
  }
}

function send({ process }: Running, message: ToChild): void {
  // what cannot be sent any more is answered by the exit
  if (process.connected) process.send(message, () => {});
}

function heard(running: Running, message: FromChild): void {
  if (message.type === 'opened') {
    running.opened = message.pipeline;
    return;
  }
  const call = running.open.get(message.id);
  if (!call) return;
  if (message.type === 'event') {
    call.onEvent?.(message.event);
    return;
  }
  running.open.delete(message.id);
  if (message.type === 'answer') call.resolve(message.value as never);
  else call.reject(new ToldError(message.error));
}

function stopOf(what: string): ErrorBody {
  const message = `${what} was stopped; ask again to start another one`;
  return { type: 'conflict_error', code: 'stopped', message, param: null, hint: null };
}

function deathOf(what: string, how: string, printed: string): ErrorBody {
  const last = printed.trim().split('\n').at(-1)?.slice(0, 300);
  const hint =
    how === 'SIGKILL'
      ? 'if nobody ended it, the system did so for lack of memory: ask for a smaller size or fewer frames'
      : 'the next request starts another one';
  return {
    type: 'server_error',
    code: 'engine_died',
    message: `${what} ended (${how})${last ? `, its last words: ${last}` : ''}; ${hint}`,
    param: null,
    hint,
  };
}
