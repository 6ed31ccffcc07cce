/** One download of a repository at a time; a second one waits and then finds everything there. */
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { processRuns } from '../processes/process-runs.js';
import { pause } from './request.js';

/** A holder touches its file this often; one untouched for six times as long is left behind. */
const TOUCH_MS = 10_000;
const POLL_MS = 300;

/**
 * Runs `job` while this process alone holds the lock file.
 *
 * Python's locks on single blobs cannot be taken from here; against them, parts are written by
 * position and renamed when their checksum is right.
 *
 * @param onWait  called once if another process holds it
 */
export async function withLock<T>(
  path: string,
  job: () => Promise<T>,
  { signal, onWait }: { signal?: AbortSignal; onWait?: (pid: number) => void } = {},
): Promise<T> {
  const own = `${process.pid} ${hostname()}\n`;
  await mkdir(dirname(path), { recursive: true });
  for (let told = false; ; await pause(POLL_MS, signal)) {
    try {
      await writeFile(path, own, { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readHolder(path);
    if (holder && !holder.alive) await rm(path, { force: true });
    else if (holder && !told) {
      told = true;
      onWait?.(holder.pid);
    }
  }
  const touch = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // somebody cleaned up; parts written by position stay right
    }
  }, TOUCH_MS);
  touch.unref();
  try {
    return await job();
  } finally {
    clearInterval(touch);
    await rm(path, { force: true });
  }
}

/** Who holds the lock; undefined if it was given back this moment. */
function readHolder(path: string): { pid: number; alive: boolean } | undefined {
  try {
    const [pid = 0, host] = readFileSync(path, 'utf8').trim().split(' ');
    const fresh = Date.now() - statSync(path).mtimeMs < 6 * TOUCH_MS;
    return { pid: Number(pid), alive: fresh && (host !== hostname() || runs(Number(pid))) };
  } catch {
    return undefined;
  }
}

function runs(pid: number): boolean {
  if (!(pid > 0)) return true; // just made, not yet written: its age decides
  return processRuns(pid);
}
