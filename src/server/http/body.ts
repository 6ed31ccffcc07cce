/**
 * Bodies of requests: JSON, and forms whose files are streamed to disk. Nothing is held in memory but
 * text, which is bounded; a body that comes too slowly is ended.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import busboy from 'busboy';
import type { Context } from 'hono';
import { badRequest, HttpError, isDiskFull } from '../errors.js';
import { incomingPath } from '../store/folder.js';

export interface BodyLimits {
  /** the folder for files that are being received */
  incoming: string;
  /** the most bytes of one file */
  maxUpload: number;
  /** ends a body of which nothing comes for so long, or less than `SLOW_BYTES` a second on average */
  stallMs: number;
}

/** A file of a form, on disk; whoever takes it moves or removes it. */
export interface FormFile {
  field: string;
  filename: string;
  path: string;
}

export interface Body {
  fields: Record<string, unknown>;
  files: FormFile[];
}

/** The most bytes of a JSON body, and of all text in a form: data URLs are the largest. */
const TEXT_BYTES = 32 * 2 ** 20;
const MOST_FILES = 24;
const SLOW_BYTES = 4096;
/** From when on the average counts. */
const SLOW_AFTER_MS = 20_000;

/**
 * The body's fields, and its files. The caller removes the files that it does not use, with `discard`.
 * @throws HttpError for a body that is too large, too slow, or no JSON and no form
 */
export async function readBody(c: Context, limits: BodyLimits): Promise<Body> {
  if (typeOf(c).startsWith('multipart/form-data')) return readForm(c, limits);
  return { fields: await readJson(c, limits), files: [] };
}

/** The fields of a JSON body; none if it is empty. @throws HttpError as `readBody` */
export async function readJson(c: Context, limits: BodyLimits): Promise<Record<string, unknown>> {
  const type = typeOf(c);
  if (/^(multipart\/|application\/x-www-form-urlencoded)/.test(type)) throw unsupported(type);
  const text = await readText(c, limits);
  if (text.trim() === '') return {};
  if (!/^application\/(json|[\w.-]+\+json)/.test(type)) throw unsupported(type);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(
      `the body is not JSON (${(error as Error).message}); check its commas and quotes`,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('the body must be a JSON object; write its fields in { }');
  }
  expectPlain(value);
  return value as Record<string, unknown>;
}

const typeOf = (c: Context): string => (c.req.header('content-type') ?? '').toLowerCase();

/** Levels of a JSON body; requests need a few, and recipes some ten. */
const MOST_LEVELS = 64;

/**
 * Whatever goes through what a client sent may then go down its levels, and set its keys on objects.
 * @throws HttpError for too many levels, or a key that objects take for something else
 */
export function expectPlain(body: object): void {
  let level: object[] = [body];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) {
      throw badRequest(
        `the body is nested more than ${MOST_LEVELS} levels deep; write it as the reference at /docs has it`,
      );
    }
    if (level.some((one) => Object.hasOwn(one, PROTO))) throw noField(PROTO);
    level = level.flatMap((one) => Object.values(one).filter(isLevel));
  }
}

/** What is set by this name is no key of an object, but where its other keys come from. */
const PROTO = '__proto__';
const noField = (name: string) =>
  badRequest(`${name}: is no field of this request; leave it out`, name);

const isLevel = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Removes files that were not moved away. */
export async function discard(files: readonly FormFile[]): Promise<void> {
  for (const { path } of files) await rm(path, { force: true });
}

const unsupported = (type: string) =>
  new HttpError(
    415,
    'unsupported_type',
    `the body's type is ${type.split(';')[0] || 'not given'}; send application/json, or what the reference at /docs has for this address`,
  );

async function readText(c: Context, limits: BodyLimits): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  await consume(incoming(c, limits), (chunk) => {
    bytes += chunk.length;
    if (bytes > TEXT_BYTES) throw tooLarge(`the body is larger than ${TEXT_BYTES} bytes`);
    chunks.push(chunk);
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw badRequest('the body is not text in UTF-8; encode it as that');
  }
}

const tooLarge = (what: string, param?: string) =>
  new HttpError(413, 'too_large', `${what}; send less, or upload files to /v1/files`, { param });

async function readForm(c: Context, limits: BodyLimits): Promise<Body> {
  const fields: Record<string, unknown> = {};
  const files: FormFile[] = [];
  const writing: Promise<void>[] = [];
  let textBytes = 0;
  let failure: unknown = null;
  let form: busboy.Busboy;
  try {
    form = busboy({
      headers: Object.fromEntries(c.req.raw.headers),
      defParamCharset: 'utf8',
      limits: {
        fieldSize: TEXT_BYTES,
        fieldNameSize: 200,
        fields: 200,
        files: MOST_FILES,
        fileSize: limits.maxUpload + 1, // it tells of a limit when that is reached
        parts: 200 + MOST_FILES,
      },
    });
  } catch (error) {
    throw badRequest(
      `the form cannot be read (${(error as Error).message}); send it as multipart/form-data`,
    );
  }
  let failed = () => {};
  const failing = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const fail = (error: unknown) => {
    failure ??= error;
    failed();
    // not at once: busboy goes on for a moment after it has told of a limit
    setImmediate(() => form.destroy());
  };
  form.on('error', fail);
  // busboy's types do not say that a part may be without a name
  const nameless = () => fail(badRequest('the form has a part without a name; name each part'));
  form.on('field', (name: string | undefined, value, { nameTruncated, valueTruncated }) => {
    if (name === undefined) return nameless();
    textBytes += value.length;
    if (nameTruncated || valueTruncated || textBytes > TEXT_BYTES) {
      fail(tooLarge(`the form's text is larger than ${TEXT_BYTES} bytes`, name));
    } else if (keyOf(name) === PROTO) fail(noField(PROTO));
    else addField(fields, name, value);
  });
  form.on('file', (field: string | undefined, stream, { filename }) => {
    if (field === undefined) {
      stream.resume();
      return nameless();
    }
    const path = incomingPath(limits.incoming);
    files.push({ field: keyOf(field), filename: plainName(filename), path });
    stream.on('limit', () =>
      fail(tooLarge(`${field}: a file may have at most ${limits.maxUpload} bytes`, field)),
    );
    writing.push(pipeline(stream, createWriteStream(path)).catch(fail));
  });
  for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
    form.on(limit, () => fail(tooLarge('the form has too many parts')));
  }
  try {
    await consume(incoming(c, limits), async (chunk) => {
      if (failure === null && !form.write(chunk))
        await Promise.race([once(form, 'drain'), failing]);
      if (failure !== null) throw failure;
    });
    const ended = new Promise((resolve) => form.once('close', resolve));
    form.end();
    await Promise.race([ended, failing]);
    await Promise.all(writing);
    if (failure !== null) throw failure;
    return { fields, files };
  } catch (error) {
    fail(error);
    await Promise.all(writing);
    await discard(files);
    const cause = failure;
    if (cause instanceof HttpError || isDiskFull(cause)) throw cause;
    throw badRequest(
      `the form ends before it is complete (${(cause as Error).message}); send it again`,
    );
  }
}

/** How long the rest of a body is read that is refused already. */
const DRAIN_MS = 10_000;

/**
 * Gives all of a body to `use`. If that throws, the rest is read and thrown away before the error is,
 * as many clients hear an answer only when they have sent everything.
 */
async function consume(
  source: Readable,
  use: (chunk: Buffer) => void | Promise<void>,
): Promise<void> {
  let failure: unknown = null;
  let untilMs = 0;
  for await (const chunk of source) {
    if (failure !== null) {
      if (performance.now() > untilMs) break;
      continue;
    }
    try {
      await use(chunk as Buffer);
    } catch (error) {
      failure = error;
      untilMs = performance.now() + DRAIN_MS;
    }
  }
  if (failure !== null) throw failure;
}

const keyOf = (name: string): string => name.replace(/\[\]$/, '');

/** Repeated fields and those in `[]` are lists. */
function addField(fields: Record<string, unknown>, name: string, value: string): void {
  const list = name.endsWith('[]');
  const key = keyOf(name);
  const before = Object.hasOwn(fields, key) ? fields[key] : undefined;
  if (before === undefined) fields[key] = list ? [value] : value;
  else fields[key] = Array.isArray(before) ? [...before, value] : [before, value];
}

/** The last part of a name, without what systems do not accept in one. */
function plainName(name: string | undefined): string {
  const last = (name ?? '').split(/[/\\]/).at(-1)!;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  const plain = [...last.replace(/[\u0000-\u001f\u007f]/g, '')];
  // by characters, as half of one could be neither written nor sent
  return plain.slice(0, 200).join('') || 'file';
}

/** The body as it comes in, watched. */
function incoming(c: Context, { stallMs }: BodyLimits): Readable {
  const { body } = c.req.raw;
  if (!body) return Readable.from([]);
  const source = Readable.fromWeb(body as import('node:stream/web').ReadableStream);
  const startMs = performance.now();
  let bytes = 0;
  let timer: NodeJS.Timeout;
  const watched = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      const seconds = (performance.now() - startMs) / 1000;
      clearTimeout(timer);
      if (seconds * 1000 > SLOW_AFTER_MS && bytes / seconds < SLOW_BYTES) return done(tooSlow());
      timer = setTimeout(() => watched.destroy(tooSlow()), stallMs);
      done(null, chunk);
    },
    destroy(error, done) {
      clearTimeout(timer);
      source.destroy();
      done(error);
    },
    flush(done) {
      clearTimeout(timer);
      done();
    },
  });
  timer = setTimeout(() => watched.destroy(tooSlow()), stallMs);
  source.on('error', (error) => watched.destroy(error));
  return source.pipe(watched);
}

const tooSlow = () =>
  new HttpError(408, 'too_slow', 'the body comes too slowly; send it again over a faster line', {
    headers: { connection: 'close' },
  });
