/**
 * The errors that a user meets. Each message is one sentence, `where: rule, got value`, and says
 * what to do where that is known. The command line prints the message alone and leaves with
 * `exitCode`; a stack trace appears only with `--debug`.
 */

/** Base of all errors made here; `exitCode` is what the command line exits with. */
export class MfmError extends Error {
  readonly exitCode: number = 1;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Wrong usage or wrong input: a file, an option, a key, a size. Exit code 2. */
export class InputError extends MfmError {
  override readonly exitCode: number = 2;
}

/** The job itself failed: no space, no LibTorch, a process that died. Exit code 1. */
export class JobError extends MfmError {}

/** Another process of the job has died, hangs or has left; says which, as far as it is known. */
export class DistributedError extends JobError {}

/** Is it no failure, but the end that an AbortSignal asked for? */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error && error.name === 'AbortError';

/** A tensor has not the shape that a function asks for. */
export class ShapeError extends InputError {}

/** LibTorch refused an operator call; names the operator and the shapes that it got. */
export class OperatorError extends JobError {}
