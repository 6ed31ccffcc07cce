/** The depth channel of a condition: the depth of known frames, and of frames that only have depth. */
import { InputError } from '../errors.js';
import { cutOut, depthToTensor, type Frames, NEAREST, resizeFrames } from '../media/index.js';
import { type Tensor, zeros } from '../tensor/index.js';
import type { Geometry, Known, Target } from './condition-inputs.js';
import { expectPlaces, runsOf } from './places.js';

/** Depth of frames at their own size, [F, H, W] float32; larger is nearer. */
export type DepthEstimator = (frames: Frames) => Tensor;

/**
 * The scale of depth in a condition. `raw`: as it is given or estimated, as the released models take
 * it. Others are scaled over all depth of the condition, from 0 for the farthest point: `clip` to
 * `NEAREST`, `unit` to 1, which is as far as pixels go.
 */
export type DepthScale = keyof typeof HIGHEST;

/** The value of the nearest point; null: nothing is scaled. */
const HIGHEST = { raw: null, clip: NEAREST, unit: 1 };

/** How a pipeline takes depth; training and use follow the same rules. */
export interface DepthRules {
  /** known frames have depth too, where it is given or can be estimated; default: true */
  known: boolean;
  /** default: raw */
  scale: DepthScale;
  /** estimates depth that is not given; null (the default): known frames without depth have none */
  estimate: DepthEstimator | null;
}

/**
 * [1, 1, F, H, W] float32; 0 where no depth is known, as in the part that is to be generated: nothing
 * of what lies there enters the depth around it either, as only the kept part is estimated and scaled.
 *
 * @throws InputError if a task needs depth that is neither given nor can be estimated
 */
export function depthChannel(
  known: readonly LaidOut[],
  geometry: readonly Geometry[],
  target: Target,
  { known: ofKnown = true, scale = 'raw', estimate = null }: Partial<DepthRules>,
): Tensor {
  const { width, height, numFrames } = target;
  const depth = zeros([numFrames, height, width]);
  const parts: Part[] = [];
  const replaced = new Set(geometry.flatMap(({ at }) => at));
  if (ofKnown) {
    for (const one of known) {
      if (one.at.every((place) => replaced.has(place))) continue;
      const near = nearOfKnown(one, target, estimate);
      if (near) parts.push({ near, keep: one.keep, at: one.at });
    }
  }
  for (const one of geometry)
    parts.push({ near: nearOf(one, target, estimate), keep: null, at: one.at });
  const highest = HIGHEST[scale];
  const set = highest === null ? null : depth.zerosLike();
  for (const { near, keep, at } of parts) {
    expectPlaces('frames of depth', near.size(0), at, numFrames);
    const shown = keep?.gt(0).to('float32').view(near.shape);
    const seen = shown ? near.mul(shown) : near;
    for (const { place, first, count } of runsOf(at)) {
      depth.narrow(0, place, count).copy_(seen.narrow(0, first, count));
      const known = set?.narrow(0, place, count);
      if (shown) known?.copy_(shown.narrow(0, first, count));
      else known?.fill_(1);
    }
  }
  const whole = set && highest && parts.length > 0 ? scaled(depth, set, highest) : depth;
  return whole.view([1, 1, numFrames, height, width]);
}

/** Known frames, brought to the target's size. */
export interface LaidOut extends Known {
  fitted: Frames;
  /** [1, 1, F', H, W] float32, the share of each pixel that is kept; null: all of it */
  keep: Tensor | null;
}

/** Depth of frames, [F', H, W], and the share of them that is kept. */
interface Part {
  near: Tensor;
  keep: Tensor | null;
  at: readonly number[];
}

/** Scales depth to 0..highest over the places where `set` is 1; a single value holds no depth: 0. */
function scaled(depth: Tensor, set: Tensor, highest: number): Tensor {
  const elsewhere = set.mul(-BEYOND).add(BEYOND); // 0 where it is set
  const least = depth.add(elsewhere).amin().item();
  const most = depth.sub(elsewhere).amax().item();
  if (!(most > least)) return depth.zerosLike();
  return depth
    .sub(least)
    .mul(highest / (most - least))
    .mul(set);
}

/** More than any depth. */
const BEYOND = 1e30;

function nearOfKnown(
  { fitted, keep, depth }: LaidOut,
  target: Target,
  estimate: DepthRules['estimate'],
): Tensor | null {
  if (depth) return depthToTensor(depth, target);
  if (!estimate) return null;
  const box = keep && keptBox(keep, target);
  if (!box) return keep ? null : estimate(fitted);
  // margins are no picture, and would spoil the estimate beside them
  const { width, height } = target;
  const whole = box.width === width && box.height === height;
  if (whole) return estimate(fitted);
  const near = zeros([fitted.numFrames, height, width]);
  const within = near.narrow(1, box.top, box.height).narrow(2, box.left, box.width);
  within.copy_(estimate(cutOut(fitted, box, box)));
  return near;
}

/** The smallest box that holds all kept pixels; null if there are none. */
function keptBox(
  keep: Tensor,
  { width, height }: Target,
): { left: number; top: number; width: number; height: number } | null {
  const kept = keep.toFloat32Array();
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let i = 0; i < kept.length; i++) {
    if (kept[i] === 0) continue;
    const x = i % width;
    const y = Math.floor(i / width) % height;
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** The depth of frames whose pixels need not be known, [F', H, W]. */
function nearOf(
  { frames, depth }: Geometry,
  target: Target,
  estimate: DepthRules['estimate'],
): Tensor {
  const near = depth
    ? depthToTensor(depth, target)
    : frames && estimate?.(resizeFrames(frames, target));
  if (!near) {
    throw new InputError(
      'depth: is needed, and there is no model to estimate it; name one with `depthModel`, or give depth with `depth`',
    );
  }
  return near;
}
