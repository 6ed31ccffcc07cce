/**
 * Dense optical flow: the displacement of each pixel from one picture to the next. Plain TypeScript on
 * typed arrays, for worker threads.
 *
 * Coarse to fine over an image pyramid: each level starts from the flow of the coarser one and refines
 * it (flow-level.ts), so that long motions are found where they are short.
 */
import { ShapeError } from '../../errors.js';
import { type Frames, sliceFrames } from '../frames.js';
import { resample } from '../pixels/resample.js';
import { clamp, type Plane, refine } from './flow-level.js';

export interface Flow {
  width: number;
  height: number;
  /** (dx, dy) pixels, right and down, [H, W, 2]: pixel (x, y) goes to (x + dx, y + dy) */
  data: Float32Array;
}

/** Pictures are halved while their shorter side is at least twice this. Measured */
const COARSEST_SIDE = 6;
/** Frames are reduced to this longer side, in pixels, before their motion is measured. */
const MOTION_SIDE = 256;

/**
 * Motion of each pixel from the first frame of `from` to the first frame
 * of `to`, up to about an eighth of the frame's side. Pixels that leave
 * the frame or are occluded in `to` get their surroundings' motion.
 *
 * @throws ShapeError if the two differ in size
 */
export function opticalFlow(from: Frames, to: Frames): Flow {
  if (from.width !== to.width || from.height !== to.height) {
    throw new ShapeError(
      `opticalFlow: frames must be of one size, got ${from.width}x${from.height} and ${to.width}x${to.height}`,
    );
  }
  return flowBetween(pyramidOf(grayPlane(from)), pyramidOf(grayPlane(to)));
}

/**
 * How much a clip moves: mean magnitude of the flow between consecutive frames, in pixels of the clip per
 * frame; 0 for an image.
 */
export function motionScoreOf(clip: Frames): number {
  const { width, height, numFrames } = clip;
  if (numFrames === 1) return 0;
  const shrink = Math.min(1, MOTION_SIDE / Math.max(width, height));
  const size = {
    width: Math.max(1, Math.round(width * shrink)),
    height: Math.max(1, Math.round(height * shrink)),
  };
  const pyramids = (frame: number): Plane[] => {
    const { data } = sliceFrames(clip, frame, frame + 1);
    const layout = { count: 1, width, height, channels: 3 };
    return pyramidOf(
      grayPlane({ ...size, numFrames: 1, data: resample(data, layout, size, 'box') }),
    );
  };
  const [scaleX, scaleY] = [width / size.width, height / size.height];
  let total = 0;
  let before = pyramids(0);
  for (let frame = 1; frame < numFrames; frame++) {
    const after = pyramids(frame);
    const { data } = flowBetween(before, after);
    for (let i = 0; i < data.length; i += 2) {
      total += Math.hypot(data[i]! * scaleX, data[i + 1]! * scaleY);
    }
    before = after;
  }
  return total / (size.width * size.height * (numFrames - 1));
}

/** Luma, not rounded, because small gradients matter. */
function grayPlane({ width, height, data }: Frames): Plane {
  const gray = new Float32Array(width * height);
  for (let p = 0; p < gray.length; p++) {
    gray[p] = 0.299 * data[p * 3]! + 0.587 * data[p * 3 + 1]! + 0.114 * data[p * 3 + 2]!;
  }
  return { width, height, data: gray };
}

/** The picture at full, half, quarter, … size. */
function pyramidOf(plane: Plane): Plane[] {
  const levels = [plane];
  let last = plane;
  while (Math.min(last.width, last.height) >= 2 * COARSEST_SIDE) {
    last = halved(last);
    levels.push(last);
  }
  return levels;
}

/** Means of 2x2 pixels; an odd last row or column counts twice. */
function halved({ width, height, data }: Plane): Plane {
  const [w, h] = [(width + 1) >> 1, (height + 1) >> 1];
  const out = new Float32Array(w * h);
  for (let y = 0; y < h; y++) {
    const top = 2 * y * width;
    const bottom = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < w; x++) {
      const left = 2 * x;
      const right = Math.min(left + 1, width - 1);
      out[y * w + x] =
        (data[top + left]! + data[top + right]! + data[bottom + left]! + data[bottom + right]!) / 4;
    }
  }
  return { width: w, height: h, data: out };
}

/** Flow between two pyramids of one size. */
function flowBetween(from: Plane[], to: Plane[]): Flow {
  const { width, height } = from.at(-1)!;
  let u: Float32Array = new Float32Array(width * height);
  let v: Float32Array = new Float32Array(width * height);
  for (let level = from.length - 1; level >= 0; level--) {
    const first = from[level]!;
    if (level < from.length - 1) {
      u = doubled(u, from[level + 1]!, first);
      v = doubled(v, from[level + 1]!, first);
    }
    refine(first, to[level]!, u, v);
  }
  const size = from[0]!;
  const data = new Float32Array(u.length * 2);
  for (let p = 0; p < u.length; p++) {
    data[p * 2] = u[p]!;
    data[p * 2 + 1] = v[p]!;
  }
  return { width: size.width, height: size.height, data };
}

/** Upsamples a flow component to twice the size, bilinearly; motions become twice as long. */
function doubled(coarse: Float32Array, from: Plane, { width, height }: Plane): Float32Array {
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const near = y >> 1;
    const far = clamp(near + (y & 1 ? 1 : -1), from.height - 1);
    for (let x = 0; x < width; x++) {
      const nearX = x >> 1;
      const farX = clamp(nearX + (x & 1 ? 1 : -1), from.width - 1);
      const row =
        0.75 * coarse[near * from.width + nearX]! + 0.25 * coarse[near * from.width + farX]!;
      const other =
        0.75 * coarse[far * from.width + nearX]! + 0.25 * coarse[far * from.width + farX]!;
      out[y * width + x] = 2 * (0.75 * row + 0.25 * other);
    }
  }
  return out;
}
