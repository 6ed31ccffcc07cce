/** Signals that ask this process to stop. */
import { constants } from 'node:os';
import { childrenBefore } from './children.js';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const ALL: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Signals that this process was started to ignore, as with nohup or in the background of a script.
 * Node.js resets them before any JavaScript runs, so the script `mfm` passes them in a variable.
 */
export function ignoredSignals(): StopSignal[] {
  const names = (process.env.MFM_IGNORED_SIGNALS ?? '').split(' ');
  return ALL.filter((signal) => names.includes(signal));
}

/** The stop signals that this process reacts to: all except those it was started to ignore. */
export function stopSignals(): StopSignal[] {
  const ignored = ignoredSignals();
  return ALL.filter((signal) => !ignored.includes(signal));
}

/** The exit code of a program ended by a signal, by the shells' convention: 130 after Ctrl-C. */
export const exitCodeOf = (signal: StopSignal): number => 128 + constants.signals[signal];

/** Is it the exit code of a program that stopped because a signal asked it to? */
export const isStopCode = (code: number | null): boolean =>
  ALL.some((signal) => exitCodeOf(signal) === code);

/** A second signal within this time counts as the first one delivered twice, as `timeout` does. */
export const SAME_REQUEST_MS = 200;
/** How long JavaScript has for an orderly end after the second request. */
const GRACE_MS = 500;

/** Notices a second request to stop while JavaScript is blocked in a long call; see signals.cpp. */
interface Watcher {
  watchSignals(numbers: number[], spared: number[], sameMs: number, graceMs: number): void;
  unwatchSignals(): void;
}

let watcher: Watcher | null = null;
let watched: readonly StopSignal[] = [];

/** Called by the addon when it is loaded, which may be after `watchSignals`. */
export function useWatcher(loaded: Watcher): void {
  watcher = loaded;
  if (watched.length > 0) watchSignals(watched);
}

/** From now on a second request ends the process. The signals must already have handlers. */
export function watchSignals(signals: readonly StopSignal[]): void {
  watched = signals;
  const numbers = signals.map((signal) => constants.signals[signal]);
  watcher?.watchSignals(numbers, [...childrenBefore], SAME_REQUEST_MS, GRACE_MS);
}

export function unwatchSignals(): void {
  watched = [];
  watcher?.unwatchSignals();
}
