/** Brings condition inputs to the size of the clip, in the worker threads, where time is cheap. */

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
