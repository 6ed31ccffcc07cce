/**
 * The common form of every task's condition: pixels, depth and mask at full resolution. Training and
 * generation both use `conditionOf`, so users' inputs reach the model exactly as in training.
 */
import { InputError } from '../errors.js';
import {
  type DepthMap,
  type Frames,
  framesToTensor,
  resizeFrames,
  type Size,
} from '../media/index.js';
import type { Hole } from '../media/mask/resize-mask.js';
import { fromArray, type Tensor, tidy, zeros } from '../tensor/index.js';
import { type DepthRules, depthChannel } from './depth-channel.js';

/** Frames that are known, wholly or in part. */
export interface Known {
  /** at any size */
  frames: Frames;
  /** position of each frame on the new clip's timeline; as many as `frames` has */
  at: number[];
  /** [F, H, W] for the known frames, at their size; null: everything is kept */
  hole: Hole | null;
  /** true: only the brightness of these frames is known */
  gray?: boolean;
  /** depth of these frames, at any size; absent or null: estimated, if there is a model */
  depth?: DepthMap | null;
}

/** The depth of frames, whether or not their pixels are known: estimated from frames, or given. */
export interface Geometry {
  /** frames of which only the depth is used; null: there are none */
  frames: Frames | null;
  /** [F, H, W] at any size; null: estimated from the frames */
  depth: DepthMap | null;
  /** position of each frame on the new clip's timeline */
  at: number[];
}

/** What is known about the clip to generate. */
export interface ConditionInputs {
  known: Known[];
  /** depth beyond that of the known frames; it replaces theirs where both are given */
  geometry: Geometry[];
  /** frames of the input that come before and after the new clip in the result */
  before: Frames | null;
  after: Frames | null;
}

/** Condition inputs with these parts, and nothing else known. */
export const given = (parts: Partial<ConditionInputs>): ConditionInputs => ({
  known: [],
  geometry: [],
  before: null,
  after: null,
  ...parts,
});

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
 * @param rules   how the pipeline takes depth
 * Source: the paper, 3.1; the reference's pipeline_mfm.py multiplies the pixels by the mask
 */
export function conditionOf(
  { known, geometry }: ConditionInputs,
  target: Target,
  rules: Partial<DepthRules> = {},
): Condition {
  const { width, height, numFrames } = target;
  return tidy(() => {
    const pixels = zeros([1, 3, numFrames, height, width]);
    const mask = zeros([1, 1, numFrames, height, width]);
    const laid = known.map((one): LaidOut => {
      expectPlaces(one.frames, one.at, numFrames);
      const fitted = resizeFrames(one.frames, target);
      return { ...one, fitted, keep: one.hole && keepMask(one.hole, one.frames, target) };
    });
    for (const { at } of geometry) expectWithin(at, numFrames);
    const depth = depthChannel(laid, geometry, target, rules);
    for (const { fitted, at, gray, keep } of laid) {
      const colours = framesToTensor(fitted); // [1, 3, F', H, W]
      const seen = gray ? inGray(colours) : colours;
      const shown = keep ? seen.mul(keep) : seen;
      const whole = at.length === numFrames && at.every((place, i) => place === i);
      if (whole && known.length === 1) return { pixels: shown, depth, mask: keep ?? mask.fill_(1) };
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

/** Known frames, brought to the target's size. */
export interface LaidOut extends Known {
  fitted: Frames;
  /** [1, 1, F', H, W] float32, the share of each pixel that is kept; null: all of it */
  keep: Tensor | null;
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

/**
 * Three equal channels of luma. x [1, 3, F, H, W] in -1..1
 * Source: the weights of torchvision's rgb_to_grayscale, which the reference uses
 */
export function inGray(x: Tensor): Tensor {
  const [red, green, blue] = x.mul(0.5).add(0.5).unbind(1);
  const luma = red!.mul(0.2989).add(green!, { alpha: 0.587 }).add(blue!, { alpha: 0.114 });
  return luma.mul(2).sub(1).unsqueeze(1).expand(x.shape).contiguous();
}

/** [1, 1, F, H, W] float32: the share of the input that is kept. */
function keepMask(hole: Hole, { width, height, numFrames }: Frames, target: Size): Tensor {
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

function expectWithin(at: number[], numFrames: number): void {
  if (at.every((place) => place >= 0 && place < numFrames)) return;
  throw new InputError(
    `conditionOf: depth must lie within ${numFrames} frames, got positions [${at.join(', ')}]`,
  );
}
