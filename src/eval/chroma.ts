/** Measures the difference in colour between two clips, regardless of brightness. */
import type { Frames } from '../media/index.js';
import { expectAlike } from './metrics/expect.js';
import { BEST_PSNR } from './quality.js';

/**
 * PSNR in dB over the planes Cb and Cr together, with a peak of 255, at most `BEST_PSNR`.
 *
 * Source: ITU-R BT.601 in full range, as in JPEG
 */
export function chromaPsnr(clip: Frames, reference: Frames): number {
  expectAlike('chromaPsnr', clip, reference);
  let sum = 0;
  for (let i = 0; i < clip.data.length; i += 3) {
    // Cb and Cr are linear in RGB, so the chroma of the difference is the difference in chroma
    const [red, green, blue] = [0, 1, 2].map((c) => clip.data[i + c]! - reference.data[i + c]!);
    const cb = -0.168736 * red! - 0.331264 * green! + 0.5 * blue!;
    const cr = 0.5 * red! - 0.418688 * green! - 0.081312 * blue!;
    sum += cb * cb + cr * cr;
  }
  const error = sum / ((2 * clip.data.length) / 3);
  return Math.min(BEST_PSNR, 10 * Math.log10(255 ** 2 / error));
}
