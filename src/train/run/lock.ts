/** The lock `.lock-N` of a run's folder: one process trains a run. */
import { join } from 'node:path';
import * as locks from '../../processes/lock.js';

export { GONE_AFTER_MS, type Holder, type Lock } from '../../processes/lock.js';

const nameIn = (folder: string): string => join(folder, '.lock');

/**
 * A process that has the run's lock may take it again.
 * @returns who has it, if that is another process that lives, as far as can be seen from here
 */
export const takeLock = (
  folder: string,
  options: { touchMs?: number } = {},
): locks.Lock | { heldBy: locks.Holder } =>
  locks.takeLock(nameIn(folder), { ...options, again: true });

/** Null if no process trains the run, as far as can be seen from here. */
export const holderOf = (folder: string): locks.Holder | null => locks.holderOf(nameIn(folder));

/**
 * If another machine has the run, waits until it gives another sign of life, and so is training it,
 * or gives none for so long that it is gone: a job that is moved to another machine goes on by itself.
 * @param say  gets a sentence on why it waits
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
    `${folder}: process ${pid} of ${host} has trained it, last sign of life ${seconds(Date.now() - touchedMs)} s ago; waiting until that is ${seconds(locks.GONE_AFTER_MS)} s ago (if it is gone for sure, delete ${path})`,
  );
  await locks.awaitSign(nameIn(folder), holder);
}
