/** Options of mixtures: files at places of the time line, `FILE@PLACE` and `FILE@FIRST..LAST`. */
import { InputError } from '../../../errors.js';
import type { DepthInput, KnownInput } from '../../../index.js';
import { didYouMean } from '../../../suggest.js';

export const placedOptions = {
  known: {
    kind: 'text',
    repeat: true,
    placeholder: 'FILE@PLACE',
    describe:
      'any: picture or clip that is known, and where: a.png@0, b.mp4@24..40 (both included), c.png@-1 (the last frame); then, after commas, mask=FILE (white is generated, gray keeps a share), invert, gray (only its brightness counts), depth=FILE, keep=0.7 (a share of all of it). The last @ with a number after it is the place, so names may contain @ and commas',
  },
} as const;

/** A known part; its files are paths. */
type KnownFile = KnownInput & { media: string; mask?: string; depth?: string };
/** Depth at a place, or of all frames. */
type DepthFile = string | (DepthInput & { media: string });

/** An `@` with a number, or two, after it, to the end or to a comma. */
const PLACE = /@(-?\d+)(?:\.\.(-?\d+))?(?=,|$)/g;
const KEYS = ['mask', 'invert', 'gray', 'depth', 'keep'] as const;
type Key = (typeof KEYS)[number];
/** A comma that ends a value: one before a word that means something. */
const COMMA = /,(?=(?:mask|depth|keep)=|(?:invert|gr[ae]y)(?:,|$))/;

/**
 * Parses `FILE@PLACE[..LAST][,mask=FILE][,invert][,gray][,depth=FILE][,keep=0.7]`.
 * @param where  begins the message
 */
export function parseKnown(text: string, where = '--known'): KnownFile {
  const { file, at, rest } = split(text);
  if (at === null) {
    throw new InputError(
      `${where}: ${text}: needs a place, as in ${text}@0 (the first frame), ${text}@24..40 or ${text}@-1 (the last frame)`,
    );
  }
  if (file === '') throw new InputError(`${where}: "${text}" has no file before its place`);
  const part: KnownFile = { media: file, at };
  const seen = new Set<string>();
  for (const word of rest === '' ? [] : rest.slice(1).split(COMMA)) {
    const [name, value] = keyOf(word);
    if (name === null || (value !== '' && !TAKES_VALUE[name])) throw unknown(word);
    if (value === '' && TAKES_VALUE[name]) {
      const example = name === 'keep' ? 'keep=0.7' : `${name}=FILE`;
      throw new InputError(`${where}: ${text}: ${name} needs a value, as in ${example}`);
    }
    if (seen.has(name)) throw new InputError(`${where}: ${text}: has ${name} twice; give it once`);
    seen.add(name);
    if (name === 'invert' || name === 'gray') part[name] = true;
    else if (name === 'keep') part.keep = shareOf(value);
    else part[name] = value;
  }
  if (part.invert && part.mask === undefined) {
    throw new InputError(
      `${where}: ${text}: has no mask to invert; add mask=FILE, or leave it out`,
    );
  }
  return part;

  function shareOf(value: string): number {
    const share = Number(value);
    if (share > 0 && share <= 1) return share;
    throw new InputError(
      `${where}: ${text}: keep must be above 0 and at most 1, as in keep=0.7, got "${value}"`,
    );
  }

  function unknown(word: string): InputError {
    const hint = didYouMean(word.split('=')[0]!, KEYS);
    return new InputError(
      `${where}: ${text}: "${word}" means nothing${hint || '; after the place may come mask=FILE, invert, gray, depth=FILE and keep=0.7'}`,
    );
  }
}

const TAKES_VALUE: Record<Key, boolean> = {
  mask: true,
  depth: true,
  keep: true,
  invert: false,
  gray: false,
};

function keyOf(word: string): [Key | null, string] {
  const equals = word.indexOf('=');
  const name = (equals < 0 ? word : word.slice(0, equals)).replace('grey', 'gray');
  const key = KEYS.find((one) => one === name) ?? null;
  return [key, equals < 0 ? '' : word.slice(equals + 1)];
}

/** Parses `FILE[@PLACE[..LAST]]`. */
export function parseDepth(text: string, where = '--depth'): DepthFile {
  const { file, at, rest } = split(text);
  if (at === null || rest !== '') return text;
  if (file === '') throw new InputError(`${where}: "${text}" has no file before its place`);
  return { media: file, at };
}

/** The text with each of its files replaced. */
export function withFiles(text: string, replaced: (file: string) => string): string {
  const { file, at, rest } = split(text);
  if (at === null) return replaced(text);
  const place = text.slice(file.length, text.length - rest.length);
  const words = rest === '' ? [] : rest.slice(1).split(COMMA);
  const own = words.map((word) => {
    const [name, value] = keyOf(word);
    return name === 'mask' || name === 'depth' ? `,${name}=${replaced(value)}` : `,${word}`;
  });
  return `${replaced(file)}${place}${own.join('')}`;
}

interface Split {
  file: string;
  /** null: there is none */
  at: KnownInput['at'] | null;
  /** what follows the place, with its comma */
  rest: string;
}

/** Splits at the last `@` that has a number after it; files after the place may have such names too. */
function split(text: string): Split {
  const matches = [...text.matchAll(PLACE)];
  // one that words with a meaning follow goes before one within such a word
  const match =
    matches.find((one) => COMMA.exec(text.slice(one.index + one[0].length))?.index === 0) ??
    matches.at(-1);
  if (!match) return { file: text, at: null, rest: '' };
  const [place, first, last] = match;
  const { index } = match;
  return {
    file: text.slice(0, index),
    at: last === undefined ? Number(first) : [Number(first), Number(last)],
    rest: text.slice(index + place.length),
  };
}
