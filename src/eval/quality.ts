/** PSNR of clips as bytes, and means of it. */
import { type Frames, framesToTensor } from '../media/index.js';
import { psnr } from '../media/pixels/psnr.js';
import { fromArray, tidy } from '../tensor/index.js';

/** A perfect result counts as this, in dB: 8-bit rounding alone gives 59. */
export const BEST_PSNR = 60;

/**
 * PSNR in dB, at most `BEST_PSNR`.
 *
 * @param where  [F, H, W]: only pixels that are 1 count
 */
export function clipPsnr(clip: Frames, reference: Frames, where: Uint8Array | null = null): number {
  return tidy(() => {
    const { width, height, numFrames } = reference;
    const mask = where
      ? fromArray(Float32Array.from(where), [1, 1, numFrames, height, width])
      : null;
    return Math.min(BEST_PSNR, psnr(framesToTensor(clip), framesToTensor(reference), mask));
  });
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
