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
import { type ConditionInputs, framesAt, type Known, type Task } from '../../tasks/index.js';
import { joinFrames } from './clip-window.js';

/**
 * Brings generated frames to the result's size and puts back what the task keeps of the input. Known
 * pixels are the input's, byte for byte, if the result has the input's size; where whole frames are
 * known, the colours of the others are matched to theirs.
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
  if (!keepKnown || keeps === 'nothing') return sized;
  const parts = known.map((one) => ({ ...one, ...KEPT[keeps](one, result) }));
  return parts.reduce((frames, part) => withPart(frames, part, result), matched(sized, parts));
}

/** What a known part shows of the result, and so what of it is put back. */
interface Kept {
  /** brightness alone, not colours */
  light: boolean;
  /** a coarse picture, not the finer detail */
  coarse: boolean;
}

/** A known part, and what of it is put back. */
type Part = Known & Kept;

const KEPT: Record<Exclude<Task['keeps'], 'nothing'>, (one: Known, result: Size) => Kept> = {
  'known pixels': () => ({ light: false, coarse: false }),
  'coarse picture': () => ({ light: false, coarse: true }),
  brightness: () => ({ light: true, coarse: false }),
  'each part': ({ frames, gray = false }, result) => ({
    light: gray,
    coarse: isSmaller(frames, result),
  }),
};

const isSmaller = (a: Size, b: Size): boolean => a.width < b.width && a.height < b.height;

/** The frames with the colours of those that are wholly known; unchanged if none are. */
function matched(frames: Frames, parts: readonly Part[]): Frames {
  const whole = parts.filter(({ hole, light, coarse }) => !hole && !light && !coarse);
  if (whole.length === 0) return frames;
  return matchColours(frames, {
    from: framesAt(
      frames,
      whole.flatMap(({ at }) => at),
    ),
    to: joinFrames(whole.map((part) => resizeFrames(part.frames, frames))),
  });
}

/** Puts a known part back: its pixels, its brightness or its coarse picture. */
function withPart(frames: Frames, part: Part, result: Size): Frames {
  const { frames: own, at, hole } = part;
  const present = framesAt(frames, at);
  const shown = part.coarse ? withCoarse(present, own) : resizeFrames(own, result);
  const wanted = part.light ? matchLuminance(present, shown) : shown;
  const filled = hole ? blendKnown(present, wanted, resizeHole(hole, own, result)) : wanted;
  return withFrames(frames, filled, at);
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
  const small = isSmaller(given, frames) ? given : resizeFrames(given, halfOf(frames));
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
