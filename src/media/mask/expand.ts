/**
 * Enlarges pictures by margins that a model then fills (outpainting).
 */
import { InputError } from '../../errors.js';
import { expectFrames, type Frames, type Size } from '../frames.js';
import type { Mask } from './mask.js';

/** Pixels added on each side. */
export interface Margins {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

type Side = keyof Margins;

const SIDES: Record<string, Side[]> = {
  all: ['left', 'right', 'top', 'bottom'],
  x: ['left', 'right'],
  y: ['top', 'bottom'],
  left: ['left'],
  right: ['right'],
  top: ['top'],
  bottom: ['bottom'],
};
/** Colour of the margins until they are filled. */
const MID_GRAY = 128;
/** A share larger than this is surely meant as pixels, written with a dot by mistake. */
const MAX_SHARE = 4;

/**
 * Parses margins: `0.25` (all sides), `left=64,top=0.25`, `x=10%` or `all=32`. Whole numbers are pixels;
 * numbers with a dot and percentages are shares of the width (left, right) or height (top, bottom). The
 * more specific name wins: `all=32,left=0`.
 *
 * @param size   of the picture
 * @param where  name of the text, for error messages
 * @throws InputError that names the part that is wrong
 */
export function parseExpand(text: string, size: Size, where = 'expand'): Margins {
  const given = new Map<string, string>();
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const [name, value, ...rest] = part.includes('=') ? part.split('=') : ['all', part];
    if (!Object.hasOwn(SIDES, name!.trim()) || rest.length > 0) {
      throw new InputError(
        `${where}: must name a side (${Object.keys(SIDES).join(', ')}) as in left=64,top=0.25, got "${part}"`,
      );
    }
    if (given.has(name!.trim())) {
      throw new InputError(`${where}: must give each side once, got "${part}" as well`);
    }
    given.set(name!.trim(), value!.trim());
  }
  const margins: Margins = { left: 0, right: 0, top: 0, bottom: 0 };
  for (const [name, sides] of Object.entries(SIDES)) {
    const value = given.get(name);
    if (value === undefined) continue;
    for (const side of sides) {
      const length = side === 'left' || side === 'right' ? size.width : size.height;
      margins[side] = toPixels(value, length, `${where}: ${name}`);
    }
  }
  if (Object.values(margins).every((margin) => margin === 0)) {
    throw new InputError(
      `${where}: must add at least one pixel to ${size.width}x${size.height}, got "${text}"`,
    );
  }
  return margins;
}

/**
 * Adds mid-gray margins to frames, and returns them with the mask of the margins, [F, H, W]: 1 in the
 * margins, 0 in the picture.
 */
export function expandFrames(
  frames: Frames,
  { left, right, top, bottom }: Margins,
): { frames: Frames; mask: Mask } {
  expectFrames('expandFrames', frames);
  const { numFrames } = frames;
  const width = left + frames.width + right;
  const height = top + frames.height + bottom;
  const data = new Uint8Array(numFrames * height * width * 3).fill(MID_GRAY);
  const made = new Uint8Array(numFrames * height * width).fill(1);
  for (let frame = 0; frame < numFrames; frame++) {
    for (let y = 0; y < frames.height; y++) {
      const from = (frame * frames.height + y) * frames.width;
      const to = (frame * height + top + y) * width + left;
      data.set(frames.data.subarray(from * 3, (from + frames.width) * 3), to * 3);
      made.fill(0, to, to + frames.width);
    }
  }
  const size = { width, height, numFrames };
  return { frames: { ...size, data }, mask: { ...size, path: 'margins', data: made } };
}

function toPixels(value: string, length: number, where: string): number {
  const number = Number.parseFloat(value);
  if (!/^(\d+|\d*\.\d+|\d+\.\d*|\d*\.?\d+%)$/.test(value)) {
    throw new InputError(
      `${where}: must be whole pixels, or a share such as 0.25 or 25%, and not below 0, got "${value}"`,
    );
  }
  if (/^\d+$/.test(value)) return number;
  const share = value.endsWith('%') ? number / 100 : number;
  if (share > MAX_SHARE) {
    throw new InputError(
      `${where}: as a share must be at most ${MAX_SHARE} (times the side), got ${value}; write pixels as a whole number`,
    );
  }
  return Math.round(share * length);
}
