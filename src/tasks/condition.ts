/**
 * The common form of every task's condition: pixels, depth and mask at full resolution. Training and
 * generation both use `conditionOf`, so users' inputs reach the model exactly as in training.
 */
import { InputError } from '../errors.js';
import {
  type DepthMap,
  depthToTensor,
  type Frames,
  framesToTensor,
  resizeFrames,
  type Size,
} from '../media/index.js';
import { fromArray, type Tensor, tidy, zeros } from '../tensor/index.js';

/** Frames that are known, wholly or in part. */
export interface Known {
  /** at any size */
  frames: Frames;
  /** position of each frame on the new clip's timeline; as many as `frames` has */
  at: number[];
  /** [F, H, W] for the known frames: 1 in the part to generate, 0 where the input is kept */
  hole: Uint8Array | null;
  /** depth of these frames, at any size; default: estimated from the frames, if there is a model */
  depth?: DepthMap;
}

/** The depth of every frame, whether or not its pixels are known: estimated from frames, or given. */
export interface Geometry {
  /** as many frames as are generated, of which only the depth is used; null: there are none */
  frames: Frames | null;
  /** [F, H, W] at any size; null: estimated from the frames */
  depth: DepthMap | null;
}

/** What is known about the clip to generate. */
export interface ConditionInputs {
  known: Known[];
  /** the depth of the whole clip; null: at most that of the known frames is known */
  geometry: Geometry | null;
  /** only the brightness of the known frames is known */
  gray: boolean;
  /** the known frames' depth is known too, if it is given or there is a depth model */
  depth: boolean;
  /** frames of the input that come before and after the new clip in the result */
  before: Frames | null;
  after: Frames | null;
}

/** Condition inputs with these parts, and nothing else known. */
export const given = (parts: Partial<ConditionInputs>): ConditionInputs => ({
  known: [],
  geometry: null,
  gray: false,
  depth: false,
  before: null,
  after: null,
  ...parts,
});

/** Depth of frames at their own size, [F, H, W] float32; larger is nearer. */
export type DepthEstimator = (frames: Frames) => Tensor;

/** No condition inputs: nothing is known except the prompt. */
export const NOTHING: ConditionInputs = given({});

/** Size and length of the clip to generate. */
export interface Target extends Size {
  numFrames: number;
}

/** The input of the network's adapter, for one sample. */
export interface Condition {
  /** [1, 3, F, H, W] in -1..1, zero where unknown */
  pixels: Tensor;
  /** [1, 1, F, H, W]; zero where unknown */
  depth: Tensor;
  /** [1, 1, F, H, W], 1 = known */
  mask: Tensor;
}

/**
 * Lays the given parts out at the target's size and length. Frames of another size are resized as
 * Pillow does (bicubic); holes by nearest neighbour, so they stay sharp.
 *
 * Source: the paper, 3.1; the reference's pipeline_mfm.py multiplies the pixels by the mask
 */
export function conditionOf(
  { known, geometry, gray, depth: withDepth }: ConditionInputs,
  target: Target,
  estimateDepth: DepthEstimator | null = null,
): Condition {
  const { width, height, numFrames } = target;
  return tidy(() => {
    const pixels = zeros([1, 3, numFrames, height, width]);
    const mask = zeros([1, 1, numFrames, height, width]);
    const depth = geometry
      ? depthOf(geometry, target, estimateDepth)
      : zeros([1, 1, numFrames, height, width]);
    for (const { frames, at, hole, depth: map } of known) {
      expectPlaces(frames, at, numFrames);
      const fitted = resizeFrames(frames, target);
      const colours = framesToTensor(fitted); // [1, 3, F', H, W]
      const seen = gray ? inGray(colours) : colours;
      const keep = hole ? keepMask(hole, frames, target) : null; // [1, 1, F', H, W]
      // [F', H, W]
      const near = withDepth && (map ? depthToTensor(map, target) : estimateDepth?.(fitted));
      if (near) {
        at.forEach((place, i) => {
          depth.select(2, place).copy_(near.select(0, i));
        });
      }
      const whole = at.length === numFrames && at.every((place, i) => place === i);
      if (whole && known.length === 1) {
        return { pixels: keep ? seen.mul(keep) : seen, depth, mask: keep ?? mask.fill_(1) };
      }
      const shown = keep ? seen.mul(keep) : seen;
      for (const { place, first, count } of runsOf(at)) {
        pixels.narrow(2, place, count).copy_(shown.narrow(2, first, count));
        const known = mask.narrow(2, place, count);
        if (keep) known.copy_(keep.narrow(2, first, count));
        else known.fill_(1);
      }
    }
    return { pixels, depth, mask };
  });
}

/** Groups frames with consecutive positions: `count` entries of `at`, from index `first` on, start at `place`. */
function runsOf(at: readonly number[]): { place: number; first: number; count: number }[] {
  const runs: { place: number; first: number; count: number }[] = [];
  at.forEach((place, i) => {
    const run = runs.at(-1);
    if (run && place === run.place + run.count) run.count++;
    else runs.push({ place, first: i, count: 1 });
  });
  return runs;
}

/** Every frame's depth, [1, 1, F, H, W]. */
function depthOf(
  { frames, depth }: Geometry,
  target: Target,
  estimateDepth: DepthEstimator | null,
): Tensor {
  const near = depth
    ? depthToTensor(depth, target)
    : frames && estimateDepth?.(resizeFrames(frames, target));
  if (!near) {
    throw new InputError(
      'depth: is needed for every frame, and there is no model to estimate it; name one with `depthModel`, or give depth with `depth`',
    );
  }
  if (near.size(0) !== target.numFrames) {
    throw new InputError(
      `conditionOf: ${near.size(0)} frames of depth for ${target.numFrames} frames to generate`,
    );
  }
  return near.view([1, 1, target.numFrames, target.height, target.width]);
}

/**
 * Three equal channels of luma. x [1, 3, F, H, W] in -1..1
 * Source: the weights of torchvision's rgb_to_grayscale, which the reference uses
 */
export function inGray(x: Tensor): Tensor {
  const [red, green, blue] = x.mul(0.5).add(0.5).unbind(1);
  const luma = red!.mul(0.2989).add(green!, { alpha: 0.587 }).add(blue!, { alpha: 0.114 });
  return luma.mul(2).sub(1).unsqueeze(1).expand(x.shape).contiguous();
}

/** [1, 1, F, H, W] float32: 1 where the input is kept. */
function keepMask(hole: Uint8Array, { width, height, numFrames }: Frames, target: Size): Tensor {
  const keep = new Float32Array(hole.length); // a loop: `from` with a function takes ten times as long
  for (let i = 0; i < keep.length; i++) keep[i] = 1 - hole[i]!;
  const mask = fromArray(keep, [numFrames, 1, height, width]);
  const { width: w, height: h } = target;
  const fitted = w === width && h === height ? mask : mask.upsampleNearest2d([h, w]);
  return fitted.view([1, 1, numFrames, h, w]);
}

function expectPlaces(frames: Frames, at: number[], numFrames: number): void {
  if (at.length !== frames.numFrames || at.some((place) => place < 0 || place >= numFrames)) {
    throw new InputError(
      `conditionOf: ${frames.numFrames} known frames need one position each within ${numFrames} frames, got [${at.join(', ')}]`,
    );
  }
}
