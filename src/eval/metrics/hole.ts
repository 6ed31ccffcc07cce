/** Metrics for clips with a filled hole: is the rest unchanged, and is the border visible? */
import type { Frames } from '../../media/index.js';
import { expectAlike, expectHole } from './expect.js';

/**
 * How much the known pixels have changed: their mean absolute difference, 0..255; null if none are known.
 *
 * @param hole  [F, H, W], 1 where something was generated
 */
export function knownRegionError(result: Frames, given: Frames, hole: Uint8Array): number | null {
  expectAlike('knownRegionError', result, given);
  expectHole('knownRegionError', result, hole);
  let [sum, count] = [0, 0];
  for (let p = 0; p < hole.length; p++) {
    if (hole[p]) continue;
    sum += differenceAt(result.data, p, given.data, p);
    count++;
  }
  return count > 0 ? sum / count : null;
}

/**
 * How visible the border of a hole is: the excess step of the picture across it, in levels (0..255); null
 * if there is no border.
 *
 * A pair is two neighbours, in a row or in a column, one in the hole and one known. Its step is the
 * mean absolute difference of their channels. The expected step is the mean of the same difference
 * one pixel further in, between two pixels of the hole, and one pixel further out, between two
 * known ones (or just one of the two, if the other would cross a border). `seam` is the mean step
 * minus the mean expected step, over all pairs of all frames that have an expected step. An
 * untouched picture has about 0, a flat patch that is off by d has d; below 0 the border is
 * smoother than its surroundings. The definition is ours.
 *
 * @param hole  [F, H, W], 1 where something was generated
 */
export function seam(clip: Frames, hole: Uint8Array): number | null {
  expectHole('seam', clip, hole);
  const { width, height, numFrames } = clip;
  let [jumps, expected, count] = [0, 0, 0];
  /**
   * visits the pair of pixel `i` of a line and the next one;
   * `p` is its index, `p + step` the next one's
   */
  const visit = (p: number, i: number, length: number, step: number) => {
    if (hole[p] === hole[p + step]) return;
    const slopes: number[] = [];
    if (i > 0 && hole[p - step] === hole[p]) {
      slopes.push(differenceAt(clip.data, p - step, clip.data, p));
    }
    if (i + 2 < length && hole[p + 2 * step] === hole[p + step]) {
      slopes.push(differenceAt(clip.data, p + step, clip.data, p + 2 * step));
    }
    if (slopes.length === 0) return;
    jumps += differenceAt(clip.data, p, clip.data, p + step);
    expected += slopes.reduce((a, b) => a + b) / slopes.length;
    count++;
  };
  for (let row = 0; row < numFrames * height; row++) {
    const y = row % height;
    for (let x = 0; x < width; x++) {
      const p = row * width + x;
      if (x + 1 < width) visit(p, x, width, 1);
      if (y + 1 < height) visit(p, y, height, width);
    }
  }
  return count > 0 ? (jumps - expected) / count : null;
}

/** Mean absolute difference of two pixels' channels. */
function differenceAt(a: Uint8Array, p: number, b: Uint8Array, q: number): number {
  return (
    (Math.abs(a[p * 3]! - b[q * 3]!) +
      Math.abs(a[p * 3 + 1]! - b[q * 3 + 1]!) +
      Math.abs(a[p * 3 + 2]! - b[q * 3 + 2]!)) /
    3
  );
}
