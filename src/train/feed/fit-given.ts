/** Brings condition inputs to the size of the clip, in the worker threads, where time is cheap. */
import type { RandomStream } from '../../data/random.js';
import { resizeFrames } from '../../media/index.js';
import { resizeHole } from '../../media/mask/resize-mask.js';
import type { ConditionInputs, Known, Target } from '../../tasks/index.js';

/**
 * Resizes frames and holes as `conditionOf` would, so that its result is the same to the bit. Frames
 * that matter only for their depth are dropped if the depth is known.
 */
export function fitGiven(given: ConditionInputs, target: Target): ConditionInputs {
  return {
    ...given,
    known: given.known.map((known) => fitKnown(known, target)),
    geometry: given.geometry.map((one) => (one.depth ? { ...one, frames: null } : one)),
  };
}

function fitKnown(known: Known, target: Target): Known {
  const { frames, hole } = known;
  const depth = known.depth && { ...known.depth, data: alone(known.depth.data) };
  if (frames.width === target.width && frames.height === target.height) {
    return { ...known, depth, frames: { ...frames, data: alone(frames.data) } };
  }
  return {
    ...known,
    depth,
    frames: resizeFrames(frames, { width: target.width, height: target.height }),
    hole: hole && resizeHole(hole, frames, target),
  };
}

/**
 * Copies a few frames out of a clip, so that moving them to another thread does not move the whole
 * clip.
 */
const alone = <A extends Uint8Array | Float32Array>(data: A): A =>
  2 * data.byteLength < data.buffer.byteLength ? (data.slice() as A) : data;

/**
 * Leaves out the depth of some known frames, each by itself with probability `share`. Known frames of
 * which some have depth become two parts.
 */
export function withoutSomeDepth(
  given: ConditionInputs,
  random: RandomStream,
  share: number,
): ConditionInputs {
  if (share === 0) return given;
  const known = given.known.flatMap((one): Known[] => {
    if (!one.depth) return [one];
    const keeps = one.at.map(() => !random.chance(share));
    const places = (kept: boolean) => keeps.flatMap((keep, i) => (keep === kept ? [i] : []));
    const [some, others] = [places(true), places(false)];
    if (others.length === 0) return [one];
    const without = { ...framesAt(one, others), depth: null };
    return some.length === 0 ? [without] : [framesAt(one, some), without];
  });
  return { ...given, known };
}

/** The frames of a part at these indices. */
function framesAt(known: Known, indices: readonly number[]): Known {
  const { frames, hole, depth, at } = known;
  if (indices.length === at.length) return known;
  const numFrames = indices.length;
  const pick = <A extends Uint8Array | Float32Array>(data: A): A => {
    const length = data.length / at.length;
    const picked = data.slice(0, numFrames * length) as A;
    indices.forEach((index, i) => {
      picked.set(data.subarray(index * length, (index + 1) * length), i * length);
    });
    return picked;
  };
  return {
    ...known,
    at: indices.map((index) => at[index]!),
    frames: { ...frames, numFrames, data: pick(frames.data) },
    hole: hole && pick(hole),
    depth: depth && { ...depth, numFrames, data: pick(depth.data) },
  };
}

/** The buffers of condition inputs, each once, to be transferred to another thread. */
export function buffersOf(given: ConditionInputs | null): ArrayBuffer[] {
  if (!given) return [];
  const arrays = [
    ...given.known.flatMap(({ frames, hole, depth }) => [frames.data, hole, depth?.data]),
    ...given.geometry.flatMap(({ frames, depth }) => [frames?.data, depth?.data]),
  ];
  const buffers = arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : []));
  return [...new Set(buffers)];
}
