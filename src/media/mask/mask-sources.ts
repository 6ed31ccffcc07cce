/**
 * The ways to mark the part to be generated: a mask file, a box, a colour, or the input's transparency.
 */
import { InputError } from '../../errors.js';
import { MOST_TOLERANCE } from '../../limits.js';
import { type Media, type MediaSource, type ReadVideoOptions, sourceName } from '../frames.js';
import { expectMaskFits, type Mask, readGray, thresholdMask } from './mask.js';

/** Whole pixels, or a share of the picture's side. */
export type Length = number | `${number}%`;

/** A rectangle, measured from the upper left corner of the picture. */
export interface Box {
  x: Length;
  y: Length;
  width: Length;
  height: Length;
}

/** Red, green, blue, 0..255. */
export type Colour = [number, number, number];

export type MaskSource =
  /** a picture, a clip or a folder, white in the part to be generated; a single frame applies to all */
  | { file: MediaSource }
  /** the same part of every frame */
  | { box: Box }
  /** pixels whose channels all lie within `tolerance` of the colour */
  | { colour: Colour; tolerance: number }
  /** pixels that are less than half opaque */
  | { alpha: true };

/** How far a channel may be from a colour, of 255, unless something else is asked for. */
export const DEFAULT_TOLERANCE = 40;

export interface MaskOptions extends Pick<ReadVideoOptions, 'maxFrames' | 'start' | 'fps'> {
  /** a note is added if the mask is not just black and white */
  notes?: string[];
  /** accept a mask file of any length, because the number of frames in `media` is not final */
  anyLength?: boolean;
  signal?: AbortSignal;
}

/** Values this close to black or white count as black or white: lossy compression blurs them. */
const NEARLY = 16;
/** Share of gray pixels from which a note is added; the smooth edges of shapes amount to less. */
const GRAY_SHARE = 0.02;

/**
 * The part of `media` to be generated: 1 there, 0 elsewhere. The mask has one frame, which applies to
 * all, or as many as `media`.
 *
 * @throws InputError if the mask cannot be read, does not fit, or marks nothing (except for a mask file,
 *   which may be all black: the caller decides what that means)
 */
export async function maskOf(
  source: MaskSource,
  media: Media,
  options: MaskOptions = {},
): Promise<Mask> {
  if ('file' in source) return maskOfFile(source.file, media, options);
  if ('box' in source) return maskOfBox(source.box, media);
  if ('colour' in source) return maskOfColour(source, media);
  return maskOfAlpha(media, options.notes);
}

/** Swaps the parts to be generated and to be kept. */
export function invertMask(mask: Mask): Mask {
  return { ...mask, data: mask.data.map((value) => 1 - value) };
}

/**
 * Parses `x,y,width,height`, each in whole pixels or percent of the picture: `10%,10%,50%,50%`.
 *
 * @param where  name of the text, for error messages
 */
export function parseBox(text: string, where = 'box'): Box {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length !== 4 || !parts.every((part) => /^-?(\d+|\d*\.?\d+%)$/.test(part))) {
    throw new InputError(
      `${where}: must be x,y,width,height in whole pixels or percent, such as 10%,10%,50%,50%, got "${text}"`,
    );
  }
  const [x, y, width, height] = parts.map((part) =>
    part.endsWith('%') ? (part as Length) : Number(part),
  ) as [Length, Length, Length, Length];
  return { x, y, width, height };
}

/** Named colours, at full saturation like those of green screens and markers. */
const COLOURS: Record<string, Colour> = {
  black: [0, 0, 0],
  white: [255, 255, 255],
  gray: [128, 128, 128],
  red: [255, 0, 0],
  green: [0, 255, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  cyan: [0, 255, 255],
  magenta: [255, 0, 255],
};

/** Parses `#00ff00`, `#0f0`, `0,255,0` or a name. */
export function parseColour(text: string, where = 'colour'): Colour {
  const word = text.trim().toLowerCase();
  const hex = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/.exec(word)?.[1];
  const numbers = word.split(',').map((part) => (/^\s*\d{1,3}\s*$/.test(part) ? Number(part) : -1));
  const named = Object.hasOwn(COLOURS, word) ? COLOURS[word]! : null;
  if (named) return [...named];
  if (hex) {
    const digits = hex.length === 3 ? [...hex].map((digit) => digit + digit) : hex.match(/../g)!;
    return digits.map((pair) => Number.parseInt(pair, 16)) as Colour;
  }
  if (numbers.length !== 3 || numbers.some((value) => value < 0 || value > 255)) {
    throw new InputError(
      `${where}: must be #rrggbb, r,g,b from 0 to 255, or one of ${Object.keys(COLOURS).join(', ')}, got "${text}"`,
    );
  }
  return numbers as Colour;
}

async function maskOfFile(
  source: MediaSource,
  media: Media,
  { notes = [], anyLength = false, ...options }: MaskOptions,
): Promise<Mask> {
  const path = sourceName(source);
  const gray = await readGray(source, { ...options, notes });
  expectMaskFits(gray, anyLength ? { ...media, numFrames: gray.numFrames } : media);
  noteGray(path, gray.data, notes);
  return thresholdMask(gray);
}

function maskOfBox(box: Box, media: Media): Mask {
  const { width, height } = media;
  const name = `box ${box.x},${box.y},${box.width},${box.height}`;
  const pixels = (length: Length, side: number): number =>
    typeof length === 'number' ? length : (Number.parseFloat(length) / 100) * side;
  const [x, y] = [pixels(box.x, width), pixels(box.y, height)];
  // round both ends, so that boxes that touch in percent also touch in pixels
  const [left, top] = [Math.round(x), Math.round(y)];
  const right = Math.round(x + pixels(box.width, width));
  const bottom = Math.round(y + pixels(box.height, height));
  const got = `got ${left},${top} to ${right},${bottom}`;
  const size = `${media.path} (${width}x${height})`;
  if (!(right > left && bottom > top)) {
    throw new InputError(
      `${name}: must be at least one pixel wide and high in ${size}, ${got}; give a width and a height above 0`,
    );
  }
  if (left >= width || top >= height || right <= 0 || bottom <= 0) {
    throw new InputError(
      `${name}: lies outside ${size}, ${got}; give x,y,width,height within the picture`,
    );
  }
  if (left < 0 || top < 0 || right > width || bottom > height) {
    throw new InputError(
      `${name}: must lie within ${size}, ${got}; make it smaller, or make the picture larger first`,
    );
  }
  const data = new Uint8Array(width * height);
  for (let row = top; row < bottom; row++) {
    data.fill(1, row * width + left, row * width + right);
  }
  return { path: name, width, height, numFrames: 1, data };
}

function maskOfColour(
  { colour, tolerance }: { colour: Colour; tolerance: number },
  { path, width, height, numFrames, data }: Media,
): Mask {
  const [r, g, b] = colour;
  const name = `colour ${colour.join(',')}`;
  if (!(tolerance >= 0 && tolerance <= MOST_TOLERANCE)) {
    throw new InputError(`${name}: tolerance must be 0 to ${MOST_TOLERANCE}, got ${tolerance}`);
  }
  const made = new Uint8Array(width * height * numFrames);
  let nearest = 255;
  for (let i = 0, j = 0; i < made.length; i++, j += 3) {
    const [dr, dg, db] = [data[j]! - r, data[j + 1]! - g, data[j + 2]! - b];
    const distance = Math.max(Math.abs(dr), Math.abs(dg), Math.abs(db));
    if (distance <= tolerance) made[i] = 1;
    if (distance < nearest) nearest = distance;
  }
  if (nearest > tolerance) {
    throw new InputError(
      `${name}: no pixel of ${path} is within ${tolerance} of it, the nearest is ${nearest} away; give another colour or a larger tolerance`,
    );
  }
  return { path: name, width, height, numFrames, data: made };
}

function maskOfAlpha({ path, width, height, numFrames, alpha }: Media, notes: string[] = []): Mask {
  if (alpha === null) {
    throw new InputError(
      `${path}: has no transparent part, so there is nothing to make; give a mask, or a PNG or WebP with the part to be made erased`,
    );
  }
  const data = alpha.map((opacity) => (opacity < 128 ? 1 : 0));
  if (!data.includes(1)) {
    throw new InputError(
      `${path}: nothing in it is more than half transparent, so there is nothing to make; erase the part to be made, or give a mask`,
    );
  }
  noteGray(`transparency of ${path}`, alpha, notes);
  return { path: `transparency of ${path}`, width, height, numFrames, data };
}

function noteGray(path: string, values: Uint8Array, notes: string[]): void {
  let grays = 0;
  for (const value of values) {
    if (value >= NEARLY && value <= 255 - NEARLY) grays++;
  }
  if (grays >= values.length * GRAY_SHARE) {
    const percent = Math.round((grays * 100) / values.length);
    notes.push(
      path.startsWith('transparency')
        ? `${path}: ${percent}% of it is partly transparent; what is more than half transparent is made`
        : `${path}: ${percent}% of it is gray; above half counts as white`,
    );
  }
}
