/** The lock `.lock-N` of a run's folder: only one process trains a run. */
import { join } from 'node:path';
import * as locks from '../../processes/lock.js';

export { GONE_AFTER_MS, type Holder, type Lock } from '../../processes/lock.js';

const nameIn = (folder: string): string => join(folder, '.lock');

/**
 * A process that holds the run's lock may take it again.
 * @returns the holder instead, if that is another process that is alive, as far as this machine can see
 */
export const takeLock = (
  folder: string,
  options: { touchMs?: number } = {},
): locks.Lock | { heldBy: locks.Holder } =>
  locks.takeLock(nameIn(folder), { ...options, again: true });

/** The process that trains the run; null if there is none, as far as this machine can see. */
export const holderOf = (folder: string): locks.Holder | null => locks.holderOf(nameIn(folder));

/**
 * If another machine holds the run, waits until that machine gives a sign of life, so that it is
 * still training, or gives none for so long that it must be gone. A job that moves to another
 * machine thus resumes by itself.
 * @param say  receives a sentence on why it waits
 */
export async function awaitOtherMachine(
  folder: string,
  say: (sentence: string) => void,
): Promise<void> {
  const holder = holderOf(folder);
  if (!holder || locks.isHere(holder)) return;
  const { host, pid, path, touchedMs } = holder;
  const seconds = (ms: number) => Math.round(ms / 1000);
  say(
    `${folder}: process ${pid} of ${host} was training it, last sign of life ${seconds(Date.now() - touchedMs)} s ago; waiting until that is ${seconds(locks.GONE_AFTER_MS)} s ago (if you know that it is gone, delete ${path})`,
  );
  await locks.awaitSign(nameIn(folder), holder);
}
