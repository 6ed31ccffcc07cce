/** Turns anything that can be thrown into one sentence and an exit code. */
import { MfmError } from '../../errors.js';
import { SETUP } from '../../files/addon.js';
import { short } from '../../files/read-json.js';
import { fileProblem } from '../../files/system-errors.js';
import { withOptions } from './fields.js';

export interface Problem {
  message: string;
  exitCode: number;
}

/**
 * mfm's own errors have a message for the user already. Errors of the system and of Node.js are put
 * into words; any other is a bug, and the message says how to get a stack trace. With `debug`, the
 * message always is the stack trace.
 */
export function describeProblem(error: unknown, debug = false): Problem {
  const problem = classify(error);
  return debug ? { ...problem, message: traceOf(error) } : problem;
}

function classify(error: unknown): Problem {
  if (error instanceof MfmError) {
    return { message: withOptions(error.message), exitCode: error.exitCode };
  }
  if (!(error instanceof Error)) return unexpected(String(error));
  const { code, path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  const where = dest ?? path ?? 'mfm';
  const problem = fileProblem(error, 'any');
  if (problem) {
    return (problem.isInput ? input : job)(
      `${code === 'ENAMETOOLONG' ? short(where) : where}: ${problem.reason}`,
    );
  }
  switch (code) {
    case 'ERR_MODULE_NOT_FOUND':
    case 'MODULE_NOT_FOUND': {
      const [, name = 'something'] =
        /Cannot find (?:package|module) '([^']+)'/.exec(error.message) ?? [];
      return job(`mfm: ${name} is not installed; run \`${SETUP}\``);
    }
    case 'ERR_DLOPEN_FAILED':
      return job(`mfm: a library is missing: ${firstLine(error)}; run \`${SETUP}\``);
  }
  if (
    error instanceof RangeError &&
    /allocation failed|Invalid array (buffer )?length/.test(error.message)
  ) {
    return job('mfm: out of memory; use a smaller size, fewer frames or a smaller batch');
  }
  return unexpected(firstLine(error));
}

const input = (message: string): Problem => ({ message, exitCode: 2 });
const job = (message: string): Problem => ({ message, exitCode: 1 });

function unexpected(text: string): Problem {
  return job(`mfm: unexpected error: ${text}; run it again with --debug for the stack trace`);
}

function firstLine(error: Error): string {
  return (error.message.split('\n')[0] || error.name).replace(/[.;]$/, '');
}

/** The stack, followed by those of its causes. */
function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by: ${traceOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/** The last line of a batch of which a part could not be made. */
export const failedLine = (failed: number, all: number): string =>
  `${failed} of ${all} failed, as told above; the same command makes those that are mended`;
