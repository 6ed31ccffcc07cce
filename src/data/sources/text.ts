/** Texts in UTF-8, or in UTF-16 with its mark: captions whole, lists piece by piece. */
import { createReadStream } from 'node:fs';
import { InputError } from '../../errors.js';
import { openRegular } from '../../files/regular-file.js';

/** Bytes of the longest caption, and characters of the longest line of a list. */
export const MAX_TEXT = 2 ** 20;

/**
 * A short text, its mark dropped.
 *
 * @param name  starts the error sentence
 * @throws InputError if it is no UTF-8 and has no mark of UTF-16, or holds what no text does
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

/** @throws InputError for characters that stand for what another program could not decode */
export function expectText(name: string, text: string): void {
  if (text.includes('\0')) throw new InputError(`${name}: holds NUL characters; save it as UTF-8`);
  if (text.includes('\uFFFD')) {
    throw new InputError(
      `${name}: is not text in UTF-8, or holds the mark of a lost character (U+FFFD); save it as UTF-8`,
    );
  }
}

/** Reads a short text. @throws InputError if it is no regular file, no UTF-8, or larger than 1 MB */
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

/** The text of a file of any size, piece by piece; bytes that are none become U+FFFD. */
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
  /** cut off where it is longer than `MAX_TEXT` */
  text: string;
  tooLong: boolean;
}

/** Characters of a line that is too long. */
const KEPT = 100;

/** The lines of a file of any size, which end in LF or CR LF. */
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
