/**
 * Ctrl-C for commands that have something to finish first.
 *
 * Without this, Ctrl-C ends the program at once. A command that asks for the signal gets to end
 * properly (write its checkpoint, remove what is half written); a second Ctrl-C ends at once.
 */

/** Exit code of a program ended by Ctrl-C (128 + SIGINT). */
export const INTERRUPTED = 130;

/**
 * Runs `job` with a signal that aborts on the first Ctrl-C or SIGTERM.
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
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    process.stderr.write(`\n${message}; Ctrl-C again to stop at once\n`);
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await job(controller.signal);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
