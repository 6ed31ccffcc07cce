/** Temporal stability of a clip by VBench's definitions, which need no reference clip. */
import { opticalFlow } from '../../media/flow/flow.js';
import { expectFrames, type Frames, sliceFrames } from '../../media/index.js';
import { mean } from '../quality.js';

/**
 * (255 - e) / 255, where e is the mean absolute difference of consecutive frames: 1 if nothing changes,
 * lower the more does; null for an image.
 *
 * Motion counts as flicker here. VBench therefore uses prompts of still scenes, and leaves out
 * clips in which optical flow finds motion. Here nothing is left out, so for a moving clip the
 * figure is meaningful only in comparison with the true clip's.
 *
 * Source: Huang et al. 2023, "VBench", arXiv 2311.17982, temporal_flickering
 */
export function temporalFlicker(clip: Frames): number | null {
  expectFrames('temporalFlicker', clip);
  if (clip.numFrames === 1) return null;
  const frames = Array.from({ length: clip.numFrames }, (_, i) => sliceFrames(clip, i, i + 1));
  return likeness(frames.slice(1).map((frame, i) => meanDifference(frame, frames[i]!)));
}

/**
 * (255 - e) / 255, where e is the mean absolute difference of frames 1, 3, 5, … from the interpolation of
 * their two neighbours: 1 if they agree, lower the less they do; null for fewer than three frames.
 *
 * VBench interpolates with the network AMT; here optical flow is used (`frameBetween`), so these figures
 * can be compared with each other, but not with published ones.
 *
 * Source: as `temporalFlicker`, motion_smoothness
 */
export function motionSmoothnessByFlow(clip: Frames): number | null {
  expectFrames('motionSmoothnessByFlow', clip);
  const errors: number[] = [];
  for (let i = 1; i + 1 < clip.numFrames; i += 2) {
    const [before, frame, after] = [i - 1, i, i + 1].map((at) => sliceFrames(clip, at, at + 1));
    errors.push(meanDifference(frame!, frameBetween(before!, after!)));
  }
  return errors.length > 0 ? likeness(errors) : null;
}

/**
 * Interpolates the picture half-way between two: both are warped by half of the flow, and averaged.
 *
 * Source: Jiang et al. 2017, "Super SloMo", arXiv 1712.00080, eq. 4 at t = 1/2, which computes the flow
 * from the middle from the flows in both directions
 */
export function frameBetween(from: Frames, to: Frames): Frames {
  const { width, height } = from;
  const [there, back] = [opticalFlow(from, to).data, opticalFlow(to, from).data];
  const data = new Uint8Array(width * height * 3);
  const colour = new Float64Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      // flow from the middle to the second picture; to the first it is the opposite
      const dx = (there[p * 2]! - back[p * 2]!) / 4;
      const dy = (there[p * 2 + 1]! - back[p * 2 + 1]!) / 4;
      colour.fill(0);
      addColour(from, x - dx, y - dy, colour);
      addColour(to, x + dx, y + dy, colour);
      for (let c = 0; c < 3; c++) data[p * 3 + c] = Math.round(colour[c]! / 2);
    }
  }
  return { width, height, numFrames: 1, data };
}

/** Adds the bilinearly interpolated colour at a position; outside of the picture, that of the border. */
function addColour({ width, height, data }: Frames, x: number, y: number, sum: Float64Array): void {
  const cx = Math.max(0, Math.min(x, width - 1));
  const cy = Math.max(0, Math.min(y, height - 1));
  const [left, top] = [Math.floor(cx), Math.floor(cy)];
  const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
  const [ax, ay] = [cx - left, cy - top];
  for (let c = 0; c < 3; c++) {
    const at = (column: number, row: number) => data[(row * width + column) * 3 + c]!;
    const above = at(left, top) + ax * (at(right, top) - at(left, top));
    const below = at(left, bottom) + ax * (at(right, bottom) - at(left, bottom));
    sum[c] = sum[c]! + above + ay * (below - above);
  }
}

const likeness = (errors: number[]): number => (255 - mean(errors)) / 255;

/** Mean absolute difference of two pictures, 0..255. */
function meanDifference(a: Frames, b: Frames): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i]! - b.data[i]!);
  return sum / a.data.length;
}
