/** How the autoencoder's latents become the transformer's, and how many there are. */
import { InputError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';

/**
 * The transformer works on the autoencoder's latents times this, whatever the autoencoder's own
 * `scaling_factor` says. Source: reference implementation
 */
export const LATENTS_SCALE = 0.958917567;

export const toModelLatents = (latents: Tensor): Tensor => latents.mul(LATENTS_SCALE);
export const fromModelLatents = (latents: Tensor): Tensor => latents.mul(1 / LATENTS_SCALE);

/** Latent frames of a clip; of 4k + 1 frames they are k + 1. */
export const latentFrames = (numFrames: number): number => Math.floor((numFrames - 1) / 4) + 1;

/** Frames that so many latent ones decode to. */
export const decodedFrames = (latentFrames: number): number =>
  latentFrames % 2 === 1 ? 4 * (latentFrames - 1) + 1 : 4 * latentFrames;

/** The largest 4k + 1 that is not above `numFrames`. */
export const fittingFrames = (numFrames: number): number => Math.floor((numFrames - 1) / 4) * 4 + 1;

/** @throws InputError unless `numFrames` is 4k + 1; names the nearest ones that are */
export function expectFrameCount(where: string, numFrames: number): void {
  if (Number.isInteger(numFrames) && numFrames > 0 && numFrames % 4 === 1) return;
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
