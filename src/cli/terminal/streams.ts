/**
 * Keeps a job running when its output cannot be written: because the reader of a pipe has ended
 * (`| head`), the terminal was closed, or the disk of a log file is full.
 */

/** Why results could not be written although their reader still expects them. */
let stdoutProblem: NodeJS.ErrnoException | null = null;
let leaving = false;

/** From now on, output that cannot be written is dropped, and the program continues. */
export function outliveReaders(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const readerIsGone = process.stdout.isTTY || ['EPIPE', 'ECONNRESET'].includes(error.code ?? '');
    if (!readerIsGone) stdoutProblem ??= error;
  });
}

/**
 * Ends the program once its output is written: a pipe takes 64 kB at a time, and `process.exit` would
 * drop the rest.
 */
export async function leave(exitCode: number): Promise<void> {
  if (leaving) return;
  leaving = true;
  await Promise.all([process.stdout, process.stderr].map(flushed));
  if (exitCode !== 0 || stdoutProblem === null) process.exit(exitCode);
  const reason = stdoutProblem.code === 'ENOSPC' ? 'the disk is full' : stdoutProblem.message;
  process.stderr.write(`standard output: cannot be written, ${reason}\n`, () => process.exit(1));
}

const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => stream.write('', () => resolve()));
