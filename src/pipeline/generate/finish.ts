/** What a result keeps of the input. */
import {
  blendKnown,
  type Frames,
  matchColours,
  matchLuminance,
  resizeFrames,
  type Size,
  sliceFrames,
} from '../../media/index.js';
import { resizeHole } from '../../media/mask/resize-mask.js';
import type { ConditionInputs, Known, Task } from '../../tasks/index.js';
import { joinFrames } from './clip-window.js';

/**
 * Made frames as the result has them: at its size, with what the task keeps of what was given. Known
 * pixels are the given ones, byte for byte, where the result has the input's size.
 *
 * @param result     size of the result
 * @param keepKnown  put anything back at all; default: true
 */
export function finished(
  made: Frames,
  { keeps }: Pick<Task, 'keeps'>,
  { known }: ConditionInputs,
  result: Size,
  { keepKnown = true }: { keepKnown?: boolean } = {},
): Frames {
  const sized = resizeFrames(made, result);
  const [given] = known;
  if (!given || !keepKnown) return sized;
  switch (keeps) {
    case 'known pixels':
      return known.reduce((frames, one) => withKnown(frames, one, result), sized);
    case 'coarse picture':
      return withCoarse(sized, given.frames);
    case 'brightness':
      // the made colours as they are: `matchLuminance` brings them to the size itself
      return matchLuminance(made, resizeFrames(given.frames, result));
    case 'nothing':
      return sized;
  }
}

/** The frames with what is known of some of them; to whole known frames the others are matched. */
function withKnown(frames: Frames, { frames: own, at, hole }: Known, result: Size): Frames {
  const wanted = resizeFrames(own, result);
  const places = at.map((place) => sliceFrames(frames, place, place + 1));
  if (hole) {
    const filled = blendKnown(joinFrames(places), wanted, resizeHole(hole, own, result));
    return withFrames(frames, filled, at);
  }
  const matched = matchColours(frames, { from: joinFrames(places), to: wanted });
  return withFrames(matched, wanted, at);
}

function withFrames(frames: Frames, some: Frames, at: readonly number[]): Frames {
  const data = new Uint8Array(frames.data);
  at.forEach((place, i) => {
    const { data: one } = sliceFrames(some, i, i + 1);
    data.set(one, place * one.length);
  });
  return { ...frames, data };
}

/**
 * The frames, changed so that made smaller they are the given small ones: what was seen is kept,
 * what is finer is the model's. Of a given clip that is no smaller than the result, half its size is
 * what is kept.
 *
 * Source: back-projection, Irani & Peleg 1991
 */
function withCoarse(frames: Frames, given: Frames): Frames {
  const smaller = given.width < frames.width && given.height < frames.height;
  const small = smaller ? given : resizeFrames(given, halfOf(frames));
  const wanted = resizeFrames(small, frames);
  const present = resizeFrames(resizeFrames(frames, small), frames);
  const data = new Uint8ClampedArray(frames.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = frames.data[i]! + wanted.data[i]! - present.data[i]!;
  }
  return { ...frames, data: new Uint8Array(data.buffer) };
}

const halfOf = ({ width, height }: Size): Size => ({
  width: Math.max(1, Math.round(width / 2)),
  height: Math.max(1, Math.round(height / 2)),
});
