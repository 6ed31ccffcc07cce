/** How far the colours of two clips are apart, whatever their brightness. */
import type { Frames } from '../media/index.js';
import { expectAlike } from './metrics/expect.js';
import { BEST_PSNR } from './quality.js';

/**
 * PSNR in dB of the planes Cb and Cr together, of a peak of 255, at most `BEST_PSNR`.
 *
 * Source: ITU-R BT.601 at full range, as JPEG has it
 */
export function chromaPsnr(clip: Frames, reference: Frames): number {
  expectAlike('chromaPsnr', clip, reference);
  let sum = 0;
  for (let i = 0; i < clip.data.length; i += 3) {
    // both planes are linear: that of the difference is the difference of the planes
    const [red, green, blue] = [0, 1, 2].map((c) => clip.data[i + c]! - reference.data[i + c]!);
    const cb = -0.168736 * red! - 0.331264 * green! + 0.5 * blue!;
    const cr = 0.5 * red! - 0.418688 * green! - 0.081312 * blue!;
    sum += cb * cb + cr * cr;
  }
  const error = sum / ((2 * clip.data.length) / 3);
  return Math.min(BEST_PSNR, 10 * Math.log10(255 ** 2 / error));
}
