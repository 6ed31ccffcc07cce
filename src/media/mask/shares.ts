/** Soft masks: how much of each pixel is to be made, from a picture or a clip in shades of gray. */
import { InputError } from '../../errors.js';
import type { MediaSource, ReadVideoOptions } from '../frames.js';
import { type Mask, readGray } from './mask.js';
import type { Hole } from './resize-mask.js';

/** A mask with a share for each pixel, 0..1: 1 where something is to be made, 0 where it is kept. */
export interface Shares extends Omit<Mask, 'data'> {
  /** [F, H, W]; a Uint8Array if it holds 0 and 1 only */
  data: Hole;
}

/** Values this close to black or white count as black or white: lossy compression blurs them. */
const NEARLY = 8;

/**
 * Reads a mask of which every shade counts: white is 1, black is 0, and gray lies between.
 *
 * @param invert  white is kept, black is to be made
 * @throws InputError if the file cannot be read, or is black or white all over
 */
export async function readShares(
  source: MediaSource,
  {
    invert = false,
    notes,
    signal,
    maxFrames,
  }: Pick<ReadVideoOptions, 'signal' | 'maxFrames'> & { invert?: boolean; notes?: string[] } = {},
): Promise<Shares> {
  const gray = await readGray(source, { notes, signal, maxFrames, soft: true });
  const values = Uint8Array.from(gray.data, (value) => {
    const snapped = value < NEARLY ? 0 : value > 255 - NEARLY ? 255 : value;
    return invert ? 255 - snapped : snapped;
  });
  const [white, black] = invert ? ['black', 'white'] : ['white', 'black'];
  if (values.every((value) => value === 0)) {
    throw new InputError(
      `${gray.path}: is ${black} all over, so everything is kept; paint the part to generate ${white}, or leave the mask out`,
    );
  }
  if (values.every((value) => value === 255)) {
    throw new InputError(
      `${gray.path}: is ${white} all over, so nothing is kept; paint the part to keep ${black}, or leave out the part that it belongs to`,
    );
  }
  return { ...gray, data: sharesOf(values) };
}

/** Bytes 0..255 as shares 0..1. */
export function sharesOf(values: Uint8Array): Hole {
  const sharp = values.every((value) => value === 0 || value === 255);
  return sharp
    ? values.map((value) => (value === 255 ? 1 : 0))
    : Float32Array.from(values, (value) => value / 255);
}
