/** How much the estimated depth of a clip flickers, with and without a truth. */
import { ShapeError } from '../../errors.js';
import { alignDepth, isKnown } from '../../media/depth/depth-errors.js';
import { opticalFlow } from '../../media/flow/flow.js';
import { type DepthMap, expectFrames, type Frames, sliceFrames } from '../../media/index.js';

/** Depth of the frames of a clip, [F, H, W], larger is nearer. */
export type DepthFrames = Pick<DepthMap, 'width' | 'height' | 'numFrames' | 'data'>;

/** A true change above this share of the range is an edge that moves by. Source: as `depthFlicker` */
const STEADY = 0.05;
/** The largest difference, in levels of 0..255, of pixels that show one point. Our choice */
const SAME = 8;
/** The range of depths in a clip lies between these shares of its values. Source: as `rangeOf` */
const [LOW, HIGH] = [0.02, 0.98];
/** The most values that are sorted for a range; of more, every n-th is used. */
const MOST_SORTED = 2 ** 18;

/**
 * Flicker against a truth: after one alignment for the whole clip, the mean absolute difference between
 * the estimate's change from frame to frame and the true change, as a share of the clip's range of true
 * inverse distances. 0 if the estimate moves exactly as the truth does. Only pixels count whose truth is
 * known in both frames and changes by less than 5 % of the range: where an edge passes, an estimate whose
 * edge lies a pixel off is inaccurate, but does not flicker. null if none are left, as in a picture.
 * Alignment shrinks an estimate that resembles the truth little, and its flicker with it.
 *
 * @param truth  [F, H, W], as `depthErrors` takes it
 * @throws ShapeError if the two differ in length
 * Source: Chen et al. 2025, "Video Depth Anything", arXiv 2501.12375, eq. 3, the temporal gradient
 *   matching loss, with its limit of 5 %; it compares absolute changes, here their signs count too
 */
export function depthFlicker(estimate: DepthFrames, truth: Float32Array): number | null {
  const alignment = alignDepth(estimate.data, truth);
  const range = rangeOf(truth.filter(isKnown));
  if (!alignment || range === 0) return null;
  const plane = estimate.width * estimate.height;
  let [sum, count] = [0, 0];
  for (let i = plane; i < truth.length; i++) {
    const [before, now] = [truth[i - plane]!, truth[i]!];
    if (!isKnown(before) || !isKnown(now)) continue;
    if (Math.abs(now - before) >= STEADY * range) continue;
    const change = alignment.scale * (estimate.data[i]! - estimate.data[i - plane]!);
    sum += Math.abs(change - (now - before));
    count++;
  }
  return count > 0 ? sum / count / range : null;
}

/**
 * Flicker of a clip whose depth is not known: the mean absolute change of the depth of a point of the
 * picture from one frame to the next, as a share of the clip's range of depths. Points that truly come
 * nearer count as flicker, so compare different estimates of one clip. 0 for depth that is constant,
 * null for a picture or if no point can be followed.
 *
 * @param followed  the clip's points, from `followPoints`
 * @throws ShapeError if the depth and the clip differ in size or length
 * Source: Wang et al. 2023, "Neural Video Depth Stabilizer", arXiv 2307.08695, its optical flow based
 *   warping (OPW), which takes a network's flow and weighs points by their likeness instead
 */
export function depthFlickerByFlow(depth: DepthFrames, followed: FollowedPoints): number | null {
  const { width, height, numFrames, from } = followed;
  if (depth.width !== width || depth.height !== height || depth.numFrames !== numFrames) {
    throw new ShapeError(
      `depthFlickerByFlow: depth must be ${numFrames} frames of ${width}x${height} as the clip, got ${depth.numFrames} of ${depth.width}x${depth.height}`,
    );
  }
  const plane = width * height;
  let [sum, count] = [0, 0];
  for (let frame = 1; frame < numFrames; frame++) {
    const before = depth.data.subarray((frame - 1) * plane, frame * plane);
    for (let p = 0; p < plane; p++) {
      const i = (frame - 1) * plane + p;
      const [x, y] = [from[i * 2]!, from[i * 2 + 1]!];
      if (Number.isNaN(x)) continue;
      const was = between(before, { x, y, width, height, channel: 0, channels: 1 });
      sum += Math.abs(was - depth.data[frame * plane + p]!);
      count++;
    }
  }
  if (count === 0) return null;
  const range = rangeOf(depth.data);
  return range > 0 ? sum / count / range : 0;
}

/** Where the points of a clip's frames were one frame before. */
export interface FollowedPoints {
  width: number;
  height: number;
  numFrames: number;
  /**
   * (x, y) in pixels for each pixel of each frame but the first, [F - 1, H, W, 2]; NaN for points
   * that were not followed
   */
  from: Float32Array;
}

/**
 * Follows the points of a clip by optical flow. Those that looked different in the frame before, by more
 * than 8 levels in some channel, or came from outside of it are given up: they were occluded, or
 * followed wrongly.
 */
export function followPoints(clip: Frames): FollowedPoints {
  expectFrames('followPoints', clip);
  const { width, height, numFrames } = clip;
  const plane = width * height;
  const from = new Float32Array((numFrames - 1) * plane * 2).fill(Number.NaN);
  for (let frame = 1; frame < numFrames; frame++) {
    const [before, now] = [frame - 1, frame].map((at) => sliceFrames(clip, at, at + 1));
    const flow = opticalFlow(now!, before!).data;
    for (let p = 0; p < plane; p++) {
      const x = (p % width) + flow[p * 2]!;
      const y = Math.floor(p / width) + flow[p * 2 + 1]!;
      if (x < 0 || y < 0 || x > width - 1 || y > height - 1) continue;
      const looksSame = [0, 1, 2].every((channel) => {
        const was = between(before!.data, { x, y, width, height, channel, channels: 3 });
        return Math.abs(was - now!.data[p * 3 + channel]!) <= SAME;
      });
      if (looksSame) from.set([x, y], ((frame - 1) * plane + p) * 2);
    }
  }
  return { width, height, numFrames, from };
}

interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
  channel: number;
  channels: number;
}

/** The value of a channel at a position within the frame, interpolated bilinearly. */
function between(
  data: ArrayLike<number>,
  { x, y, width, height, channel, channels }: Place,
): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
  const [ax, ay] = [x - left, y - top];
  const at = (column: number, row: number) => data[(row * width + column) * channels + channel]!;
  const above = at(left, top) + ax * (at(right, top) - at(left, top));
  const below = at(left, bottom) + ax * (at(right, bottom) - at(left, bottom));
  return above + ay * (below - above);
}

/**
 * Distance between the 2nd and the 98th percentile, which outliers do not change.
 * Source: Ke et al. 2024, "Repurposing diffusion-based image generators for monocular depth estimation"
 *   (Marigold), arXiv 2312.02145, its normalisation of depth
 */
function rangeOf(values: Float32Array): number {
  const stride = Math.max(1, Math.ceil(values.length / MOST_SORTED));
  const sorted = values.filter((_, i) => i % stride === 0).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  return at(HIGH) - at(LOW);
}
