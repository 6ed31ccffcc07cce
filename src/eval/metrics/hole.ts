/** Of clips with a hole that was filled: is the rest untouched, and does the border show? */
import type { Frames } from '../../media/index.js';
import { expectAlike, expectHole } from './expect.js';

/**
 * How much of what was given has been changed: mean absolute difference of the known pixels,
 * 0..255; null where nothing is known.
 *
 * @param hole  [F, H, W], 1 where something was made
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
 * How visible the border of a hole is, in levels (0..255) by which the picture jumps too far there;
 * null where there is no border.
 *
 * A pair is two neighbours, in a row or in a column, one in the hole and one known. Its jump is the
 * mean absolute difference of their channels; the jump expected there is the mean of the same
 * difference one step further in, between two pixels of the hole, and one step further out, between
 * two known ones (of one of them where the other runs into a border). `seam` is the mean jump less
 * the mean expected one, over all pairs of all frames that have an expected one. A picture that was
 * never cut has about 0, a flat patch that is off by d has d; below 0 the border is smoother than
 * what lies around it. The definition is ours.
 *
 * @param hole  [F, H, W], 1 where something was made
 */
export function seam(clip: Frames, hole: Uint8Array): number | null {
  expectHole('seam', clip, hole);
  const { width, height, numFrames } = clip;
  let [jumps, expected, count] = [0, 0, 0];
  /** the pair of pixel `i` of a line and the next one; `p` is its place, `step` leads to the next */
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
