/** The frame counts and sizes that the networks accept: 4k + 1 frames, multiples of 16 pixels. */
import { InputError } from '../errors.js';
import type { Size } from '../media/frames.js';

/** The number of latent frames of a clip: k + 1 for 4k + 1 frames. */
export const latentFrames = (numFrames: number): number => Math.floor((numFrames - 1) / 4) + 1;

/** The number of frames that latent frames decode to. */
export const decodedFrames = (latentFrames: number): number =>
  latentFrames % 2 === 1 ? 4 * (latentFrames - 1) + 1 : 4 * latentFrames;

/** The largest 4k + 1 up to `numFrames`. */
export const fittingFrames = (numFrames: number): number => Math.floor((numFrames - 1) / 4) * 4 + 1;

/** Can a clip of this many frames be encoded without a remainder? The autoencoder takes 4k + 1. */
export const isFrameCount = (numFrames: number): boolean =>
  Number.isInteger(numFrames) && numFrames > 0 && numFrames % 4 === 1;

/** @throws InputError unless `numFrames` is 4k + 1; names the nearest ones that are */
export function expectFrameCount(where: string, numFrames: number): void {
  if (isFrameCount(numFrames)) return;
  const below = fittingFrames(Math.max(1, Math.ceil(numFrames)));
  throw new InputError(
    `${where}: must be 4k + 1 (1, 5, 9, …), got ${numFrames}; ${below} and ${below + 4} are nearest`,
  );
}

/** @throws InputError unless both sides are multiples of 16; names the nearest size that is */
export function expectSize(where: string, width: number, height: number): void {
  const fits = (side: number) => Number.isInteger(side) && side >= 16 && side % 16 === 0;
  if (fits(width) && fits(height)) return;
  const near = (side: number) => Math.max(16, Math.round(side / 16) * 16);
  throw new InputError(
    `${where}: width and height must be multiples of 16, got ${width}x${height}; ${near(width)}x${near(height)} is nearest`,
  );
}

/** The smallest 4k + 1 from `numFrames` on. */
export const nextFitting = (numFrames: number): number => Math.ceil((numFrames - 1) / 4) * 4 + 1;

export function multiplesOf16({ width, height }: Size): Size {
  const near = (side: number) => Math.max(16, Math.round(side / 16) * 16);
  return { width: near(width), height: near(height) };
}

/** Side of a token in pixels: the autoencoder reduces by 8, the transformer's patches are 2 x 2. */
export const TOKEN = 16;

/** The number of tokens (latent patches) of a sample. */
export const tokensOf = ({ width, height, numFrames }: Size & { numFrames: number }): number =>
  (width / TOKEN) * (height / TOKEN) * latentFrames(numFrames);
