/**
 * One process trains a run. Its lock is a symbolic link in the run folder that says which process it
 * is: made at once or not at all, and void as soon as that process has ended, whatever ended it.
 *
 *     .lock-3 -> HOST:PID:START
 *
 * A void lock is not taken over but followed by one of the next number, which only one can make.
 */
import { readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { processRuns } from '../process-runs.js';

export interface Lock {
  release(): void;
}

/** @returns the number of the process of this machine that has it, if that is another one */
export function takeLock(folder: string): Lock | { heldBy: number } {
  for (;;) {
    const numbers = numbersIn(folder);
    const newest = numbers.at(-1) ?? 0;
    const owner = newest === 0 ? null : ownerOf(lockPath(folder, newest));
    if (owner && owner.pid !== process.pid && isAlive(owner)) return { heldBy: owner.pid };
    const own = newest + 1;
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
      return { release: () => rmSync(path, { force: true }) };
    }
    rmSync(path, { force: true });
  }
}

interface Owner {
  host: string;
  pid: number;
  start: string;
}

const lockPath = (folder: string, number: number): string => join(folder, `.lock-${number}`);

function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => Number(/^\.lock-(\d+)$/.exec(name)?.[1] ?? []))
    .sort((a, b) => a - b);
}

function ownerOf(path: string): Owner | null {
  try {
    const [, host, pid, start] = /^(.*):(\d+):(.*)$/.exec(readlinkSync(path)) ?? [];
    return host === undefined ? null : { host, pid: Number(pid), start: start! };
  } catch {
    return null; // somebody else has followed it meanwhile
  }
}

/** Of other machines nothing is known: a job that is moved to another one goes on. */
function isAlive({ host, pid, start }: Owner): boolean {
  return host === hostname() && processRuns(pid) && startOf(pid) === start;
}

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
