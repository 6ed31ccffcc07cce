/** Errors as the server answers them, with the library's sentences. */
import { InputError, MemoryError, MfmError } from '../errors.js';
import type { ERROR_TYPES, ErrorBody } from './schemas/error.js';

export interface HttpErrorOptions {
  param?: string;
  hint?: string;
  headers?: Record<string, string>;
}

export type ErrorStatus = RequestsFault | ServersFault;
type RequestsFault = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 416 | 429 | 431;
type ServersFault = 500 | 503 | 507;

/** An answer other than success. Its message is a sentence, with the remedy after a semicolon. */
export class HttpError extends Error {
  readonly headers: Record<string, string>;
  readonly body: ErrorBody;

  constructor(
    readonly status: ErrorStatus,
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
  if (isDiskFull(error)) {
    const hint = 'remove results or uploads that are not needed';
    const message = `the disk of the server is full; ${hint}`;
    return { type: 'server_error', code: 'disk_full', message, param: null, hint };
  }
  if (!(error instanceof MfmError)) {
    const message = `the server made a mistake (${error instanceof Error ? error.message : String(error)}); please report it`;
    return { type: 'server_error', code: 'internal', message, param: null, hint: null };
  }
  const { code, message, field, hint } = error;
  return {
    type: error instanceof InputError ? 'invalid_request_error' : 'server_error',
    code,
    message: inApiWords(message),
    param: field === undefined ? null : apiName(field),
    hint: hint === undefined ? null : inApiWords(hint),
    ...(error instanceof MemoryError ? { fits: error.fits.map(fitOf) } : {}),
  };
}

/** The status that an error is answered with. */
export function statusOf(error: unknown): ErrorStatus {
  if (error instanceof HttpError) return error.status;
  const { type, code } = bodyOf(error);
  if (code === 'disk_full') return 507;
  if (type === 'conflict_error') return 409;
  return type === 'invalid_request_error' ? 400 : 500;
}

export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');

const fitOf = ({ dtype, numFrames, size }: MemoryError['fits'][number]) => ({
  ...(dtype === undefined ? {} : { dtype }),
  ...(numFrames === undefined ? {} : { num_frames: numFrames }),
  ...(size === undefined ? {} : { size: `${size.width}x${size.height}` }),
});

export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Fields that are called otherwise in the API. */
const API_NAMES: Record<string, string> = {
  input: 'inputs',
  loras: 'lora',
  pipeline: 'model',
  quality: 'output_compression',
};

const apiName = (field: string): string =>
  Object.hasOwn(API_NAMES, field) ? API_NAMES[field]! : snakeCase(field);

/** Fields that are options of the server, which requests have none of. */
const SERVER_OPTIONS: Record<string, string> = {
  device: '--device',
  dtype: '--dtype',
  depthModel: '--depth-model',
};

/**
 * A sentence of the library with its fields as the API names them: `numFrames` becomes `num_frames`,
 * and `fit: 'pad'` becomes `fit: "pad"`. What requests cannot ask for is not recommended.
 */
export function inApiWords(sentence: string): string {
  return sentence
    .replaceAll(', or try it with `checkMemory: false`', '')
    .replace(/`([a-z]\w*)(: [^`]*)?`/g, (_, field: string, value = '') => {
      if (Object.hasOwn(SERVER_OPTIONS, field)) {
        return `${SERVER_OPTIONS[field]}${value.slice(1).replaceAll("'", '')} of the server`;
      }
      const size = /^: \{ width(?:: (\d+))?, height(?:: (\d+))? \}$/.exec(value);
      if (field === 'size' && size) {
        const [, width = 'WIDTH', height = 'HEIGHT'] = size;
        return `\`size: "${width}x${height}"\``;
      }
      return `\`${apiName(field)}${value.replaceAll("'", '"')}\``;
    });
}

/** Calls a field in an error by another name, which the request has for it. */
export function callField(
  { field, name }: { field: string; name: string },
  error: HttpError,
): void {
  const { message, param, hint } = error.body;
  const begin = new RegExp(`^${field}(?=[.:]|$)`);
  const words = (sentence: string) =>
    sentence
      .replace(begin, name)
      .replace(new RegExp(`\`${field}(: [^\`]*)?\``, 'g'), `\`${name}\``);
  error.message = words(message);
  Object.assign(error.body, {
    message: error.message,
    param: param?.replace(begin, name) ?? null,
    hint: hint && words(hint),
  });
}

/** The problems in a sentence of the library that lists them line by line; else the sentence alone. */
export function problemsIn(message: string): string[] {
  const [first, ...problems] = message.split('\n').map((line) => line.trim());
  return problems.length > 0 ? problems : [first!];
}

/** An error that came from a child process, or was stored with a job. */
export class ToldError extends Error {
  constructor(readonly body: ErrorBody) {
    super(body.message);
  }
}
