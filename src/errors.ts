/**
 * The errors that users see. Each message is one sentence, `where: rule, got value`, followed by
 * the remedy if it is known. The command line prints only the message and exits with `exitCode`; a
 * stack trace appears only with `--debug`.
 */

export interface MfmErrorOptions extends ErrorOptions {
  /** the option that is wrong, by its name in a request: `mask`, `numFrames` */
  field?: string;
  /** the remedy; default: what the message says after its last semicolon */
  hint?: string;
}

/** Base class of all our errors; the command line exits with `exitCode`. */
export class MfmError extends Error {
  readonly exitCode: number = 1;
  /** names the kind of error, whatever the message says: `ERR_INPUT` */
  readonly code: string = 'ERR_MFM';
  /** the option that is wrong, by its name in a request, where it is one */
  declare readonly field?: string;
  /** what to do about it, where that is known */
  declare readonly hint?: string;

  constructor(message: string, { field, hint, cause }: MfmErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    const remedy = hint ?? remedyIn(message);
    const concerned = field ?? fieldIn(message);
    if (concerned !== undefined) this.field = concerned;
    if (remedy !== undefined) this.hint = remedy;
  }
}

/** The field that a sentence opens with: `numFrames` of "`numFrames`: must be …". */
const fieldIn = (message: string): string | undefined => /^`(\w+)[^`]*`: /.exec(message)?.[1];

/** `where: rule, got value; remedy` → `remedy`, of one sentence. */
function remedyIn(message: string): string | undefined {
  const at = message.lastIndexOf('; ');
  return at < 0 || message.includes('\n') ? undefined : message.slice(at + 2);
}

/** Wrong usage or wrong input: a file, an option, a key, a size. Exit code 2. */
export class InputError extends MfmError {
  override readonly exitCode: number = 2;
  override readonly code: string = 'ERR_INPUT';
}

/** What would fit in place of what does not: one change of a request, or of how it is opened. */
export interface Fit {
  dtype?: string;
  numFrames?: number;
  size?: { width: number; height: number };
}

export interface MemoryErrorOptions extends MfmErrorOptions {
  neededBytes: number;
  availableBytes: number;
  fits: readonly Fit[];
}

/** A result does not fit into memory; refused before any of it is made. */
export class MemoryError extends InputError {
  override readonly code: string = 'ERR_MEMORY';
  /** of the process, at the worst moment */
  readonly neededBytes: number;
  /** the most that the process can have */
  readonly availableBytes: number;
  /** changes each of which makes it fit, the nearest first; [] if none does */
  readonly fits: readonly Fit[];

  constructor(
    message: string,
    { neededBytes, availableBytes, fits, ...options }: MemoryErrorOptions,
  ) {
    super(message, options);
    this.neededBytes = neededBytes;
    this.availableBytes = availableBytes;
    this.fits = fits;
  }
}

/** Frames are asked for that were handed out already and not kept. */
export class ConsumedError extends InputError {
  override readonly code: string = 'ERR_CONSUMED';
}

/** The job itself failed: no space, no LibTorch, a process that died. Exit code 1. */
export class JobError extends MfmError {
  override readonly code: string = 'ERR_JOB';
}

/** Something is used that was disposed, or was disposed while it was used. */
export class DisposedError extends JobError {
  override readonly code: string = 'ERR_DISPOSED';
}

/**
 * An AbortSignal ended it; `cause` is the signal's reason. Its `name` and `code` are those that
 * Node.js uses.
 */
export class AbortError extends MfmError {
  override readonly code: string = 'ABORT_ERR';
}

/** Another process of the job died, hangs or left; the message names it, as far as it is known. */
export class DistributedError extends JobError {}

/** Was the work stopped by an AbortSignal, rather than by a failure? */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error && error.name === 'AbortError';

/** A tensor does not have the shape that a function requires. */
export class ShapeError extends InputError {
  override readonly code: string = 'ERR_SHAPE';
}

/** LibTorch refused an operator call; the message names the operator and the shapes it received. */
export class OperatorError extends JobError {}
