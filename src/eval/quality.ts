/** PSNR of clips of bytes, and means. */
import { type Frames, framesToTensor } from '../media/index.js';
import { psnr } from '../media/pixels/psnr.js';
import { fromArray, tidy } from '../tensor/index.js';

/** Upper limit of PSNR in dB, used for a perfect result: rounding to 8 bits alone gives 59. */
export const BEST_PSNR = 60;

/**
 * PSNR in dB, at most `BEST_PSNR`.
 *
 * @param where  [F, H, W]: only pixels with value 1 count
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
