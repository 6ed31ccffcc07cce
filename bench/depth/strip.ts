/** A picture, its true depth and an estimate side by side, for looking at. */
import { alignDepth } from '../../src/eval/index.js';
import { type Frames, sliceFrames } from '../../src/media/index.js';

const GAP = 2;

/**
 * The first frame, its truth and its aligned estimate, near white and far dark, unknown pixels black.
 *
 * @param truth  inverse distances, 0 where they are not known, [F, H, W]
 */
export function depthStrip(frames: Frames, truth: Float32Array, estimate: Float32Array): Frames {
  const { width, height } = frames;
  const { scale, shift } = alignDepth(estimate, truth)!;
  const plane = width * height;
  const known = truth.subarray(0, plane).filter((value) => value > 0);
  const sorted = known.sort();
  const [far, near] = [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  const gray = (inverse: number) =>
    Math.round(32 + 223 * Math.min(1, Math.max(0, (inverse - far) / (near - far || 1))));
  const wide = 3 * width + 2 * GAP;
  const data = new Uint8Array(wide * height * 3).fill(128);
  const picture = sliceFrames(frames, 0, 1).data;
  for (let p = 0; p < plane; p++) {
    const at = (column: number) =>
      (Math.floor(p / width) * wide + column * (width + GAP) + (p % width)) * 3;
    data.set(picture.subarray(p * 3, p * 3 + 3), at(0));
    data.fill(truth[p] > 0 ? gray(truth[p]) : 0, at(1), at(1) + 3);
    data.fill(gray(scale * estimate[p] + shift), at(2), at(2) + 3);
  }
  return { width: wide, height, numFrames: 1, data };
}
