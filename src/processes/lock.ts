/**
 * Locks that one process holds at a time, also among machines that share a folder. A lock is a
 * symbolic link that says which process holds it: made at once or not at all, and void as soon as
 * that process has ended, whatever ended it. The third one of `folder/.lock`:
 *
 *     folder/.lock-3 -> HOST:PID:START
 *
 * A void lock is not taken over but followed by one of the next number, which only one can make.
 * Other machines that share the folder cannot see the process: for them its lock is touched as a
 * sign of life, and void when that is old by their clock.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { processRuns } from './process-runs.js';

export interface Lock {
  release(): void;
}

/** The process that holds a lock. */
export interface Holder {
  host: string;
  pid: number;
  start: string;
  path: string;
  /** its last sign of life, milliseconds since 1970 */
  touchedMs: number;
}

/** Network file systems may show a sign of life a minute late. */
export const GONE_AFTER_MS = 180_000;
const TOUCH_MS = 30_000;
const POLL_MS = 300;

export interface LockOptions {
  /** between two signs of life */
  touchMs?: number;
  /** a lock that this process holds is followed as a void one is */
  again?: boolean;
}

/**
 * @param name  path that the numbers are added to; its folder exists
 * @returns     who has it, if that is a process that lives, as far as can be seen from here
 */
export function takeLock(
  name: string,
  { touchMs = TOUCH_MS, again = false }: LockOptions = {},
): Lock | { heldBy: Holder } {
  for (;;) {
    const numbers = numbersOf(name);
    const holder = holderOf(name);
    const isOwn = holder !== null && isHere(holder) && holder.pid === process.pid;
    if (holder && !(isOwn && again)) return { heldBy: holder };
    const own = (numbers.at(-1) ?? 0) + 1;
    const path = lockPath(name, own);
    try {
      symlinkSync(`${hostname()}:${process.pid}:${startOf(process.pid)}`, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    // a slow one may have made a number that was used and is void already
    if (numbersOf(name).at(-1) === own) {
      for (const number of numbers) rmSync(lockPath(name, number), { force: true });
      const stopTouching = touchAgainAndAgain(path, touchMs);
      return {
        release() {
          stopTouching();
          rmSync(path, { force: true });
        },
      };
    }
    rmSync(path, { force: true });
  }
}

/**
 * Runs `job` while this process alone holds the lock; its folder is made if need be.
 * @param onWait  called once if the lock is held
 * @throws what the signal gives as its reason, if that ends the wait; what `job` throws
 */
export async function withLock<T>(
  name: string,
  job: () => Promise<T>,
  { signal, onWait }: { signal?: AbortSignal; onWait?: (pid: number) => void } = {},
): Promise<T> {
  mkdirSync(dirname(name), { recursive: true });
  let lock = takeLock(name);
  if ('heldBy' in lock) onWait?.(lock.heldBy.pid);
  while ('heldBy' in lock) {
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal!.throwIfAborted());
    lock = takeLock(name);
  }
  try {
    return await job();
  } finally {
    lock.release();
  }
}

/** Waits while the lock is this holder's and gives no other sign of life. */
export async function awaitSign(name: string, { path, touchedMs }: Holder): Promise<void> {
  const isSame = (now: Holder | null) => now?.path === path && now.touchedMs === touchedMs;
  while (isSame(holderOf(name))) await sleep(POLL_MS);
}

/** Null if no process holds the lock, as far as can be seen from here. */
export function holderOf(name: string): Holder | null {
  const newest = numbersOf(name).at(-1);
  const holder = newest === undefined ? null : readLock(lockPath(name, newest));
  return holder && isAlive(holder) ? holder : null;
}

/** Is it a process of this machine? */
export const isHere = ({ host }: Holder): boolean => host === hostname();

const lockPath = (name: string, number: number): string => `${name}-${number}`;

function numbersOf(name: string): number[] {
  const start = lockPath(basename(name), 0).slice(0, -1);
  return (existsSync(dirname(name)) ? readdirSync(dirname(name)) : [])
    .filter((file) => file.startsWith(start) && /^\d+$/.test(file.slice(start.length)))
    .map((file) => Number(file.slice(start.length)))
    .sort((a, b) => a - b);
}

function readLock(path: string): Holder | null {
  try {
    const [, host, pid, start] = /^(.*):(\d+):(.*)$/.exec(readlinkSync(path)) ?? [];
    if (host === undefined) return null;
    const touchedMs = lstatSync(path).mtimeMs;
    return { host, pid: Number(pid), start: start!, path, touchedMs };
  } catch {
    return null; // somebody else has followed it meanwhile
  }
}

function isAlive(holder: Holder): boolean {
  const { pid, start, touchedMs } = holder;
  if (isHere(holder)) return processRuns(pid) && startOf(pid) === start;
  return Math.abs(Date.now() - touchedMs) < GONE_AFTER_MS; // a clock far ahead says nothing
}

/** In a thread: long work keeps the one that does it from touching. @returns stops it */
function touchAgainAndAgain(path: string, touchMs: number): () => void {
  const workerData = { path, touchMs };
  const worker = new Worker(TOUCHING, { eval: true, execArgv: [], workerData });
  worker.unref();
  return () => void worker.terminate();
}

/** What cannot be touched now, on a network that is down, may be the next time. */
const TOUCHING = `
  const { lutimesSync } = require('node:fs');
  const { path, touchMs } = require('node:worker_threads').workerData;
  setInterval(() => {
    try {
      lutimesSync(path, new Date(), new Date());
    } catch {}
  }, touchMs);
`;

/**
 * When a process began, as Linux counts it; '' for one that has ended, and on other systems. A number
 * is used again, with another start.
 * Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime)
 */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return /[ZX]/.test(fields[0]!) ? '' : fields[19]!;
  } catch {
    return '';
  }
}
