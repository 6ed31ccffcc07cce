/**
 * Ctrl-C for commands that have something to finish first; SIGTERM and a terminal's hang-up likewise.
 *
 * Without this, a signal ends the program at once. A command that asks for signals gets to end
 * properly (write its checkpoint, remove what is half written); a second one ends it at once.
 */
import {
  exitCodeOf,
  SAME_REQUEST_MS,
  type StopSignal,
  stopSignals,
  unwatchSignals,
  watchSignals,
} from '../../processes/stop-signals.js';

/** What a command returns that a signal has stopped; `exitCodeFor` makes it that signal's code. */
export const INTERRUPTED = exitCodeOf('SIGINT');

let came: StopSignal | null = null;

/** The program's exit code for what a command returned: 128 and the number of the signal that came. */
export function exitCodeFor(returned: number): number {
  return returned === INTERRUPTED && came !== null ? exitCodeOf(came) : returned;
}

/**
 * Runs `job` with a signal that aborts on the first Ctrl-C, SIGTERM or SIGHUP.
 *
 * The job looks at `signal.aborted` between its steps and gives the event loop a turn there
 * (`await setImmediate()`), else the signal never arrives.
 *
 * @param message  said on stderr when it happens, e.g. `stopping after this step`
 */
export async function withInterrupt<T>(
  message: string,
  job: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const signals = stopSignals();
  let firstMs = 0;
  const onSignal = (signal: StopSignal) => {
    if (controller.signal.aborted) {
      // a terminal that closes may hang up twice: from its shell and from the system
      if (signal === 'SIGHUP' || performance.now() - firstMs < SAME_REQUEST_MS) return;
      process.exit(exitCodeOf(signal));
    }
    came = signal;
    firstMs = performance.now();
    process.stderr.write(`\n${message}; Ctrl-C again to stop at once\n`);
    controller.abort();
  };
  for (const signal of signals) process.on(signal, onSignal);
  watchSignals(signals);
  try {
    return await job(controller.signal);
  } finally {
    // a program that was told to stop is about to end: another hang-up must not cut that short
    if (!controller.signal.aborted) {
      unwatchSignals();
      for (const signal of signals) process.off(signal, onSignal);
    }
  }
}
