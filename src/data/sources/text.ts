/** Reads texts in UTF-8, or in UTF-16 with a byte order mark: captions at once, lists in pieces. */
import { createReadStream } from 'node:fs';
import { InputError } from '../../errors.js';
import { openRegular } from '../../files/regular-file.js';

/** Bytes of the longest caption, and characters of the longest line of a list. */
export const MAX_TEXT = 2 ** 20;

/**
 * Decodes a short text and drops its byte order mark.
 *
 * @param name  starts the error message
 * @throws InputError if it is neither UTF-8 nor marked as UTF-16, or holds characters for which see
 *   `expectText`
 */
export function decodeText(name: string, bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InputError(`${name}: ${NOT_UTF8}`, { cause });
  }
  expectText(name, text);
  return text;
}

const NOT_UTF8 = 'is not text in UTF-8; save it as UTF-8';

/** @throws InputError for NUL, and for U+FFFD, with which programs replace what they cannot decode */
export function expectText(name: string, text: string): void {
  if (text.includes('\0')) throw new InputError(`${name}: holds NUL characters; save it as UTF-8`);
  if (text.includes('\uFFFD')) {
    throw new InputError(
      `${name}: is not text in UTF-8, or holds a replacement character (U+FFFD); save it as UTF-8`,
    );
  }
}

/** Reads a short text. @throws InputError if it is not a regular file, not text, or larger than 1 MB */
export async function readText(path: string): Promise<string> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
    if (size > MAX_TEXT) {
      throw new InputError(`${path}: must be a text of at most ${MAX_TEXT} bytes, got ${size}`);
    }
    return decodeText(path, await file.readFile());
  } finally {
    await file.close();
  }
}

/** The text of a file of any size, in pieces; invalid bytes become U+FFFD. */
export async function* textPieces(path: string): AsyncGenerator<string> {
  let decoder: InstanceType<typeof TextDecoder> | null = null;
  for await (const bytes of createReadStream(path) as AsyncIterable<Buffer>) {
    decoder ??= new TextDecoder(encodingOf(bytes));
    yield decoder.decode(bytes, { stream: true });
  }
  yield decoder?.decode() ?? '';
}

export interface Line {
  /** from 1 */
  number: number;
  /** only the beginning, if it is longer than `MAX_TEXT` */
  text: string;
  tooLong: boolean;
}

/** How many characters of an overlong line are kept. */
const KEPT = 100;

/** The lines of a file of any size, ending in LF or CR LF. */
export async function* textLines(path: string): AsyncGenerator<Line> {
  let number = 0;
  let rest = '';
  let tooLong = false;
  const line = (text: string): Line => {
    const kept = tooLong ? text.slice(0, KEPT) : text.replace(/\r$/, '');
    const whole = { number: ++number, text: kept, tooLong };
    tooLong = false;
    return whole;
  };
  for await (const piece of textPieces(path)) {
    let start = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', start)) {
      yield line(rest + piece.slice(start, end));
      rest = '';
      start = end + 1;
    }
    rest += piece.slice(start);
    if (rest.length <= MAX_TEXT) continue;
    tooLong = true;
    rest = rest.slice(0, KEPT);
  }
  if (rest !== '' || tooLong) yield line(rest);
}

function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}
