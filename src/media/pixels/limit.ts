/** How large a picture may be. */
import { InputError } from '../../errors.js';
import type { Size } from '../frames.js';

/** The limit of sharp, 2 ** 14 - 1 squared: some 0.8 GB of RGB. */
export const MAX_PIXELS = 268_402_689;

/**
 * Throws InputError if the frames have more than `MAX_PIXELS` in total.
 *
 * @param numFrames  number of frames that are decoded together, for an animation
 */
export function expectPixels(path: string, { width, height }: Size, numFrames = 1): void {
  const pixels = width * height * numFrames;
  if (pixels <= MAX_PIXELS) return;
  const millions = (count: number) => `${Math.floor(count / 1e6)} million`;
  const what =
    numFrames === 1
      ? `has ${millions(pixels)} pixels (${width}x${height})`
      : `has ${millions(pixels)} pixels in ${numFrames} frames of ${width}x${height}`;
  throw new InputError(
    `${path}: ${what}, ${millions(MAX_PIXELS)} is the limit; ${numFrames === 1 ? 'reduce it' : 'reduce it, or cut it into shorter parts'}`,
  );
}
