/** What is given of a clip, brought to its size where there is time for it. */

import { resizeFrames } from '../../media/index.js';
import { resizeHole } from '../../media/mask/resize-mask.js';
import type { ConditionInputs, Known, Target } from '../../tasks/index.js';

/**
 * The same for `conditionOf`, to the bit: frames and holes are resized here as they would be there.
 * Frames of which nothing but the depth counts are left out where that is known.
 */
export function fitGiven(given: ConditionInputs, target: Target): ConditionInputs {
  const { geometry } = given;
  return {
    ...given,
    known: given.known.map((known) => fitKnown(known, target)),
    geometry: geometry?.depth ? { frames: null, depth: geometry.depth } : geometry,
  };
}

function fitKnown(known: Known, target: Target): Known {
  const { frames, hole } = known;
  if (frames.width === target.width && frames.height === target.height) {
    return { ...known, frames: { ...frames, data: alone(frames.data) } };
  }
  return {
    ...known,
    frames: resizeFrames(frames, { width: target.width, height: target.height }),
    hole: hole && resizeHole(hole, frames, target),
  };
}

/** A few frames of a clip do not take all of it along to another thread. */
const alone = (data: Uint8Array): Uint8Array =>
  2 * data.byteLength < data.buffer.byteLength ? data.slice() : data;

/** The buffers of what is given, each once: to be moved to another thread. */
export function buffersOf(given: ConditionInputs | null): ArrayBuffer[] {
  if (!given) return [];
  const arrays = [
    ...given.known.flatMap(({ frames, hole, depth }) => [frames.data, hole, depth?.data]),
    given.geometry?.frames?.data,
    given.geometry?.depth?.data,
  ];
  const buffers = arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : []));
  return [...new Set(buffers)];
}
