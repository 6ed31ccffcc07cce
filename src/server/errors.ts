/** Errors as the server answers them, with the library's sentences. */
import { z } from '@hono/zod-openapi';
import { InputError, MemoryError, MfmError } from '../errors.js';

export const ERROR_TYPES = [
  ...['invalid_request_error', 'authentication_error', 'permission_error', 'not_found_error'],
  ...['conflict_error', 'rate_limit_error', 'server_error'],
] as const;

const Fit = z
  .object({
    num_frames: z.int().optional(),
    size: z.string().optional(),
    dtype: z.string().optional(),
  })
  .openapi('Fit');

export const ErrorBody = z
  .object({
    type: z.string().describe(`one of ${ERROR_TYPES.join(', ')}`),
    code: z.string().describe("the library's code, such as ERR_INPUT, or the server's: queue_full"),
    message: z.string().describe('one sentence, to be shown as it is'),
    param: z.string().nullable().describe('the field that is wrong, if it is one'),
    hint: z.string().nullable().describe('what to do about it, if that is known'),
    fits: z.array(Fit).optional().describe('ERR_MEMORY: changes each of which would fit'),
  })
  .openapi('Error');
export type ErrorBody = z.infer<typeof ErrorBody>;

export const ErrorAnswer = z.object({ error: ErrorBody }).openapi('ErrorAnswer');

export interface HttpErrorOptions {
  param?: string;
  hint?: string;
  headers?: Record<string, string>;
}

/** An answer other than success. Its message is a sentence, with the remedy after a semicolon. */
export class HttpError extends Error {
  readonly headers: Record<string, string>;
  readonly body: ErrorBody;

  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 416 | 429 | 500 | 503,
    code: string,
    message: string,
    { param, hint = remedyIn(message), headers = {} }: HttpErrorOptions = {},
  ) {
    super(message);
    this.headers = headers;
    this.body = { type: typeOf(status), code, message, param: param ?? null, hint: hint ?? null };
  }
}

function remedyIn(message: string): string | undefined {
  const at = message.lastIndexOf('; ');
  return at < 0 ? undefined : message.slice(at + 2);
}

function typeOf(status: number): (typeof ERROR_TYPES)[number] {
  if (status >= 500) return 'server_error';
  const types: Record<number, (typeof ERROR_TYPES)[number]> = {
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    409: 'conflict_error',
    429: 'rate_limit_error',
  };
  return types[status] ?? 'invalid_request_error';
}

/** A request that cannot be done as it is; `param` is the field's name in the API. */
export const badRequest = (message: string, param?: string): HttpError =>
  new HttpError(400, 'invalid_request', message, { param });

export const notFound = (message: string): HttpError => new HttpError(404, 'not_found', message);

export const wrongState = (message: string): HttpError =>
  new HttpError(409, 'wrong_state', message);

/** Any error as the body of an answer, with fields as the API names them. */
export function bodyOf(error: unknown): ErrorBody {
  if (error instanceof HttpError || error instanceof ToldError) return error.body;
  if (!(error instanceof MfmError)) {
    const message = `the server made a mistake (${error instanceof Error ? error.message : String(error)}); please report it`;
    return { type: 'server_error', code: 'internal', message, param: null, hint: null };
  }
  const { code, message, field, hint } = error;
  return {
    type: error instanceof InputError ? 'invalid_request_error' : 'server_error',
    code,
    message: inApiWords(message),
    param: field === undefined ? null : snakeCase(field),
    hint: hint === undefined ? null : inApiWords(hint),
    ...(error instanceof MemoryError ? { fits: error.fits.map(fitOf) } : {}),
  };
}

/** The status that an error is answered with. */
export function statusOf(error: unknown): HttpError['status'] {
  if (error instanceof HttpError) return error.status;
  return bodyOf(error).type === 'invalid_request_error' ? 400 : 500;
}

const fitOf = ({ dtype, numFrames, size }: MemoryError['fits'][number]) => ({
  ...(dtype === undefined ? {} : { dtype }),
  ...(numFrames === undefined ? {} : { num_frames: numFrames }),
  ...(size === undefined ? {} : { size: `${size.width}x${size.height}` }),
});

export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * A sentence of the library with its fields as the API names them: `numFrames` becomes `num_frames`,
 * and `fit: 'pad'` becomes `fit: "pad"`.
 */
export function inApiWords(sentence: string): string {
  return sentence.replace(
    /`([a-z]\w*)(: [^`]*)?`/g,
    (_, field: string, value: string | undefined) => {
      const size = /^: \{ width: (\d+), height: (\d+) \}$/.exec(value ?? '');
      if (field === 'size' && size) return `\`size: "${size[1]}x${size[2]}"\``;
      return `\`${snakeCase(field)}${(value ?? '').replaceAll("'", '"')}\``;
    },
  );
}

/** An error that came from a child process, or was stored with a job. */
export class ToldError extends Error {
  constructor(readonly body: ErrorBody) {
    super(body.message);
  }
}
