/**
 * Handles Ctrl-C, SIGTERM and a terminal's hang-up for commands that have something to finish first.
 *
 * Without this, a signal ends the program at once. A command that uses it can end properly (write its
 * checkpoint, remove incomplete files); a second signal ends it at once.
 */
import {
  exitCodeOf,
  SAME_REQUEST_MS,
  type StopSignal,
  stopSignals,
  unwatchSignals,
  watchSignals,
} from '../../processes/stop-signals.js';

/** Returned by a command that a signal has stopped; `exitCodeFor` turns it into that signal's code. */
export const INTERRUPTED = exitCodeOf('SIGINT');

let came: StopSignal | null = null;

/** The program's exit code, from a command's; if a signal stopped it, 128 plus the signal's number. */
export function exitCodeFor(returned: number): number {
  return returned === INTERRUPTED && came !== null ? exitCodeOf(came) : returned;
}

/**
 * Runs `job` with a signal that aborts on the first Ctrl-C, SIGTERM or SIGHUP.
 *
 * The job must check `signal.aborted` between its steps and yield to the event loop there
 * (`await setImmediate()`); otherwise the signal never arrives.
 *
 * @param message  printed on stderr when a signal arrives, e.g. `stopping after this step`
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
    // after a signal the program is about to end, which another hang-up must not cut short
    if (!controller.signal.aborted) {
      unwatchSignals();
      for (const signal of signals) process.off(signal, onSignal);
    }
  }
}
