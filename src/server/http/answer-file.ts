/** Answers a file, whole or in a range, without reading it into memory. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Context } from 'hono';
import { HttpError, notFound } from '../errors.js';

export interface AnswerOptions {
  type: string;
  /** offered as the name of a download */
  filename?: string;
  /** default: private, must be asked for again */
  cacheControl?: string;
  headers?: Record<string, string>;
}

export async function answerFile(
  c: Context,
  path: string,
  { type, filename, cacheControl = 'private, no-cache', headers = {} }: AnswerOptions,
): Promise<Response> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) throw notFound('the file is not there any more; it may have been deleted');
  const { size, mtime } = found;
  const etag = `"${size.toString(16)}-${Math.floor(found.mtimeMs).toString(16)}"`;
  const common: Record<string, string> = {
    etag,
    'last-modified': mtime.toUTCString(),
    'cache-control': cacheControl,
    'accept-ranges': 'bytes',
    ...headers,
  };
  if (filename) common['content-disposition'] = disposition(filename);
  if (c.req.header('if-none-match') === etag)
    return new Response(null, { status: 304, headers: common });
  const asked = c.req.header('range');
  const ifRange = c.req.header('if-range');
  const range = asked && (ifRange === undefined || ifRange === etag) ? rangeOf(asked, size) : null;
  if (range === 'none') {
    throw new HttpError(
      416,
      'wrong_range',
      `range: ${asked} is not within the ${size} bytes of the file; ask for a part of it`,
      {
        headers: { 'content-range': `bytes */${size}` },
      },
    );
  }
  const { from, to } = range ?? { from: 0, to: size - 1 };
  const all: Record<string, string> = {
    ...common,
    'content-type': type,
    'content-length': String(to - from + 1),
  };
  if (range) all['content-range'] = `bytes ${from}-${to}/${size}`;
  const status = range ? 206 : 200;
  if (c.req.method === 'HEAD' || size === 0) return new Response(null, { status, headers: all });
  const stream = createReadStream(path, { start: from, end: to });
  return new Response(Readable.toWeb(stream) as ReadableStream, { status, headers: all });
}

/** The one range of a header; null if it has none or several, which is answered by the whole file. */
function rangeOf(header: string, size: number): { from: number; to: number } | 'none' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const [, first, last] = match;
  if (first === '') {
    const count = Math.min(size, Number(last));
    return count === 0 ? 'none' : { from: size - count, to: size - 1 };
  }
  const from = Number(first);
  const to = last === '' ? size - 1 : Math.min(size - 1, Number(last));
  if (last !== '' && Number(last) < from) return null;
  return from >= size ? 'none' : { from, to };
}

function disposition(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  return `inline; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name)}`;
}
