/**
 * The one form of every task's condition: pixels, depth and mask at full resolution. Training and
 * use both come through `conditionOf`, so what a model was trained on is what a user gives it.
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

/** Frames that are known, and of which pixels. */
export interface Known {
  /** at any size */
  frames: Frames;
  /** where on the new clip's time line each of them lies; as long as `frames` */
  at: number[];
  /** [F, H, W] of the known frames: 1 where something is to be made, 0 where the input is kept */
  hole: Uint8Array | null;
  /** of these frames, at any size; default: told from the frames, where that can be done */
  depth?: DepthMap;
}

/** Every frame's depth, where pixels are not known for it: told from frames, or given. */
export interface Geometry {
  /** as many frames as are to be made, of which nothing but the depth is used; null: there are none */
  frames: Frames | null;
  /** [F, H, W] at any size; null: told from the frames */
  depth: DepthMap | null;
}

/** What is known of a clip that is to be made. */
export interface ConditionInputs {
  known: Known[];
  /** the depth of the whole clip; null: not known but for that of known frames */
  geometry: Geometry | null;
  /** of the known frames only how bright they are */
  gray: boolean;
  /** the known frames' depth too, where the pipeline can tell it */
  depth: boolean;
  /** what of the input comes before and after the new clip in the result */
  before: Frames | null;
  after: Frames | null;
}

/** Given parts; what is not said is not there. */
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

/** Nothing is known but the prompt. */
export const NOTHING: ConditionInputs = given({});

/** Size and length of the clip that is to be made. */
export interface Target extends Size {
  numFrames: number;
}

/** What the network's adapter takes, of one sample. */
export interface Condition {
  /** [1, 3, F, H, W] in -1..1, zero where unknown */
  pixels: Tensor;
  /** [1, 1, F, H, W]; zero where unknown */
  depth: Tensor;
  /** [1, 1, F, H, W], 1 = known */
  mask: Tensor;
}

/**
 * Lays the given parts on the target's grid. Frames of another size are resized as Pillow does
 * (bicubic); a hole likewise by nearest, so it stays sharp.
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

/** Frames whose places follow one another: of `at`, `count` from `first` on lie from `place` on. */
function runsOf(at: readonly number[]): { place: number; first: number; count: number }[] {
  const runs: { place: number; first: number; count: number }[] = [];
  at.forEach((place, i) => {
    const run = runs.at(-1);
    if (run && place === run.place + run.count) run.count++;
    else runs.push({ place, first: i, count: 1 });
  });
  return runs;
}

/** [1, 1, F, H, W] */
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
      'depth: is needed for every frame, and there is no model to tell it; name one with `depthModel`, or give depth with `depth`',
    );
  }
  if (near.size(0) !== target.numFrames) {
    throw new InputError(
      `conditionOf: ${near.size(0)} frames of depth for ${target.numFrames} frames to be made`,
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
      `conditionOf: ${frames.numFrames} known frames need a place each within ${numFrames} frames, got [${at.join(', ')}]`,
    );
  }
}
