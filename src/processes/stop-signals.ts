/** Signals that ask this process to stop. */
import { constants } from 'node:os';
import { childrenBefore } from './children.js';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const ALL: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Those that the process was started to ignore, as by nohup or in the background of a script. Node.js
 * resets them before any JavaScript runs, so the script `mfm` looks and says so.
 */
export function ignoredSignals(): StopSignal[] {
  const names = (process.env.MFM_IGNORED_SIGNALS ?? '').split(' ');
  return ALL.filter((signal) => names.includes(signal));
}

/** The signals that this process heeds: all but those it was started to ignore. */
export function stopSignals(): StopSignal[] {
  const ignored = ignoredSignals();
  return ALL.filter((signal) => !ignored.includes(signal));
}

/** What a program ended by a signal leaves with, as shells count: 130 after Ctrl-C. */
export const exitCodeOf = (signal: StopSignal): number => 128 + constants.signals[signal];

/** Is it the exit code of a program that has stopped since it was asked to? */
export const isStopCode = (code: number | null): boolean =>
  ALL.some((signal) => exitCodeOf(signal) === code);

/** A request within this time of the first one is the same, delivered twice, as `timeout` does. */
export const SAME_REQUEST_MS = 200;
/** How long JavaScript has to end in order after the second request. */
const GRACE_MS = 500;

/** Hears a second request to stop while JavaScript waits for a long call; see signals.cpp. */
interface Watcher {
  watchSignals(numbers: number[], spared: number[], sameMs: number, graceMs: number): void;
  unwatchSignals(): void;
}

let watcher: Watcher | null = null;
let watched: readonly StopSignal[] = [];

/** The addon brings its watcher when it is loaded, which may be after the watching has begun. */
export function useWatcher(loaded: Watcher): void {
  watcher = loaded;
  if (watched.length > 0) watchSignals(watched);
}

/** From now on the second request ends the process. The signals have handlers already. */
export function watchSignals(signals: readonly StopSignal[]): void {
  watched = signals;
  const numbers = signals.map((signal) => constants.signals[signal]);
  watcher?.watchSignals(numbers, [...childrenBefore], SAME_REQUEST_MS, GRACE_MS);
}

export function unwatchSignals(): void {
  watched = [];
  watcher?.unwatchSignals();
}
