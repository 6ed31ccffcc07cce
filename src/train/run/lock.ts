/**
 * One process trains a run. Its lock is a symbolic link in the run folder that says which process it
 * is: made at once or not at all, and void as soon as that process has ended, whatever ended it.
 *
 *     .lock-3 -> HOST:PID:START
 *
 * A void lock is not taken over but followed by one of the next number, which only one can make.
 * Other machines that share the folder cannot see the process: for them its lock is touched as a
 * sign of life, and void when that is old by their clock.
 */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { processRuns } from '../../processes/process-runs.js';

export interface Lock {
  release(): void;
}

/** The process that trains a run. */
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

/** @returns who has it, if that is another process that lives, as far as can be seen from here */
export function takeLock(
  folder: string,
  { touchMs = TOUCH_MS }: { touchMs?: number } = {},
): Lock | { heldBy: Holder } {
  for (;;) {
    const numbers = numbersIn(folder);
    const holder = holderOf(folder);
    if (holder && !(isHere(holder) && holder.pid === process.pid)) return { heldBy: holder };
    const own = (numbers.at(-1) ?? 0) + 1;
    const path = lockPath(folder, own);
    try {
      symlinkSync(`${hostname()}:${process.pid}:${startOf(process.pid)}`, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    // a slow one may have made a number that was used and is void already
    if (numbersIn(folder).at(-1) === own) {
      for (const number of numbers) rmSync(lockPath(folder, number), { force: true });
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

/** Null if no process trains the run, as far as can be seen from here. */
export function holderOf(folder: string): Holder | null {
  const newest = numbersIn(folder).at(-1);
  const holder = newest === undefined ? null : readLock(lockPath(folder, newest));
  return holder && isAlive(holder) ? holder : null;
}

/**
 * If another machine has the run, waits until it gives another sign of life, and so is training it,
 * or gives none for so long that it is gone: a job that is moved to another machine goes on by itself.
 * @param say  is told in a sentence why it waits
 */
export async function awaitOtherMachine(
  folder: string,
  say: (sentence: string) => void,
): Promise<void> {
  const holder = holderOf(folder);
  if (!holder || isHere(holder)) return;
  const { host, pid, path, touchedMs } = holder;
  const seconds = (ms: number) => Math.round(ms / 1000);
  say(
    `${folder}: process ${pid} of ${host} has trained it, last sign of life ${seconds(Date.now() - touchedMs)} s ago; waiting until that is ${seconds(GONE_AFTER_MS)} s ago (if it is gone for sure, delete ${path})`,
  );
  const isSame = (now: Holder | null) => now?.path === path && now.touchedMs === touchedMs;
  while (isSame(holderOf(folder))) await sleep(POLL_MS);
}

const isHere = ({ host }: Holder): boolean => host === hostname();

const lockPath = (folder: string, number: number): string => join(folder, `.lock-${number}`);

function numbersIn(folder: string): number[] {
  return (existsSync(folder) ? readdirSync(folder) : [])
    .flatMap((name) => Number(/^\.lock-(\d+)$/.exec(name)?.[1] ?? []))
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

/** In a thread: a long step keeps the one that trains from it. @returns stops it */
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
