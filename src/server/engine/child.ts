/**
 * A child process that holds a pipeline, and the calls to it. It starts with the first call; if it
 * dies, the calls in progress fail, and the next one starts another.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isCheckout } from '../../files/package-root.js';
import { type ErrorBody, ToldError } from '../errors.js';
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
  private child: ChildProcess | null = null;
  private nextId = 0;
  private readonly open = new Map<number, Open>();
  private printed = '';
  /** how often a process was started */
  starts = 0;

  constructor(private readonly options: ChildOptions) {}

  get isRunning(): boolean {
    return this.child !== null;
  }

  get pid(): number | null {
    return this.child?.pid ?? null;
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
    const child = this.start();
    const id = this.nextId++;
    let killing: NodeJS.Timeout | undefined;
    const onAbort = () => {
      this.send(child, { type: 'abort', id });
      killing = setTimeout(() => child.kill('SIGKILL'), this.options.graceMs);
    };
    try {
      return await new Promise<Calls[N]['answers']>((resolve, reject) => {
        this.open.set(id, { name, resolve, reject, onEvent });
        this.send(child, { type: 'call', id, name, takes });
        if (signal?.aborted) onAbort();
        else signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      clearTimeout(killing);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the process; calls in progress fail. */
  async stop(): Promise<void> {
    const { child } = this;
    if (!child) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL'); // it holds nothing that is not on disk
    await ended;
  }

  private start(): ChildProcess {
    if (this.child) return this.child;
    const path = fileURLToPath(
      new URL(isCheckout ? './worker.ts' : './worker.js', import.meta.url),
    );
    const child = fork(path, [], {
      cwd: this.options.cwd,
      execArgv: isCheckout ? ['--import', import.meta.resolve('tsx')] : [],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child = child;
    this.starts++;
    this.printed = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.printed = (this.printed + text).slice(-KEPT);
      });
    }
    child.on('message', (message) => this.heard(message as FromChild));
    child.on('error', (error) => this.died(child, error.message));
    child.on('exit', (code, signal) => this.died(child, signal ?? `exit code ${code}`));
    return child;
  }

  private send(child: ChildProcess, message: ToChild): void {
    // what cannot be sent any more is answered by the exit
    if (child.connected) child.send(message, () => {});
  }

  private heard(message: FromChild): void {
    const call = this.open.get(message.id);
    if (!call) return;
    if (message.type === 'event') {
      call.onEvent?.(message.event);
      return;
    }
    this.open.delete(message.id);
    if (message.type === 'answer') call.resolve(message.value as never);
    else call.reject(new ToldError(message.error));
  }

  private died(child: ChildProcess, how: string): void {
    if (this.child !== child) return;
    this.child = null;
    const error = new ToldError(deathOf(this.options.what, how, this.printed));
    for (const { reject } of this.open.values()) reject(error);
    this.open.clear();
  }
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
