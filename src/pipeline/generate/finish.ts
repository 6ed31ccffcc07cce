/** Puts back what a result keeps of its input. */
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
 * Brings generated frames to the result's size and puts back what the task keeps of the input. Known
 * pixels are the input's, byte for byte, if the result has the input's size.
 *
 * @param result     size of the result
 * @param keepKnown  false: put nothing back; default: true
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
      // not yet resized: `matchLuminance` brings the generated colours to the size itself
      return matchLuminance(made, resizeFrames(given.frames, result));
    case 'nothing':
      return sized;
  }
}

/** Puts known frames or pixels back; if whole frames are known, the others' colours are matched. */
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
 * Changes frames so that, scaled down, they equal the given small ones: the coarse picture is the
 * input's, finer detail is the model's. If the input is not smaller than the result, the picture at
 * half the result's size is kept.
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
