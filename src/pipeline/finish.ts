/** What a result keeps of the input. */
import {
  blendKnown,
  type Frames,
  matchLuminance,
  resizeFrames,
  type Size,
} from '../media/index.js';
import type { Given, Task } from '../tasks/index.js';

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
  { known }: Given,
  result: Size,
  { keepKnown = true }: { keepKnown?: boolean } = {},
): Frames {
  const sized = resizeFrames(made, result);
  const [given] = known;
  if (!given || !keepKnown) return sized;
  switch (keeps) {
    case 'known pixels':
      return given.hole
        ? blendKnown(
            sized,
            resizeFrames(given.frames, result),
            resizeHole(given.hole, given.frames, result),
          )
        : sized;
    case 'coarse picture':
      return withCoarse(sized, given.frames);
    case 'brightness':
      // the made colours as they are: `matchLuminance` brings them to the size itself
      return matchLuminance(made, resizeFrames(given.frames, result));
    case 'nothing':
      return sized;
  }
}

/** [F, H, W] at another size, by nearest, so that it stays sharp. */
export function resizeHole(hole: Uint8Array, from: Frames, to: Size): Uint8Array {
  const { width, height, numFrames } = from;
  if (width === to.width && height === to.height) return hole;
  const resized = new Uint8Array(numFrames * to.width * to.height);
  for (let frame = 0, i = 0; frame < numFrames; frame++) {
    for (let y = 0; y < to.height; y++) {
      const row = (frame * height + Math.floor((y * height) / to.height)) * width;
      for (let x = 0; x < to.width; x++, i++) {
        resized[i] = hole[row + Math.floor((x * width) / to.width)]!;
      }
    }
  }
  return resized;
}

/**
 * The frames, changed so that made smaller they are the given small ones: what was seen is kept,
 * what is finer is the model's. Frames no larger than the small ones stay as they are.
 *
 * Source: back-projection, Irani & Peleg 1991
 */
function withCoarse(frames: Frames, small: Frames): Frames {
  if (small.width >= frames.width || small.height >= frames.height) return frames;
  const wanted = resizeFrames(small, frames);
  const present = resizeFrames(resizeFrames(frames, small), frames);
  const data = new Uint8ClampedArray(frames.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = frames.data[i]! + wanted.data[i]! - present.data[i]!;
  }
  return { ...frames, data: new Uint8Array(data.buffer) };
}
