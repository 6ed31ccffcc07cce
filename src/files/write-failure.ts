import { InputError, isAbort, JobError, MfmError } from '../errors.js';
import { fileProblem } from './system-errors.js';

/** Explains an error met while writing `path` in a sentence; aborts and our own errors stay. */
export function writeFailure(path: string, cause: unknown): unknown {
  if (cause instanceof MfmError || isAbort(cause)) return cause;
  const { message } = cause as Error;
  // ffmpeg and LibTorch say it in their own messages
  const isFull = /no space left|disk quota/i.test(message);
  const problem = fileProblem(isFull ? { code: 'ENOSPC' } : cause, 'writing');
  if (problem?.isInput) return new InputError(`${path}: ${problem.reason}`, { cause });
  return new JobError(`${path}: ${problem?.reason ?? `cannot be written (${message})`}`, { cause });
}
