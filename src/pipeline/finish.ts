/** What a result keeps of the input. */
import { type Frames, resizeFrames, tensorToFrames } from '../media/index.js';
import type { Condition, Given, Task } from '../tasks/index.js';
import { noGrad, type Tensor, tidy } from '../tensor/index.js';

/** The new frames between what the input had before and after them, at the new size. */
export function joined(frames: Frames, { before, after }: Given): Frames {
  const parts = [before, frames, after].filter((part) => part !== null);
  if (parts.length === 1) return frames;
  const resized = parts.map((part) => resizeFrames(part, frames));
  return {
    ...frames,
    numFrames: resized.reduce((sum, part) => sum + part.numFrames, 0),
    data: Buffer.concat(resized.map(({ data }) => data)),
  };
}

/** made [1, 3, F, H, W] → frames, with what the task keeps of what was given. */
export function putBack(
  made: Tensor,
  { keeps }: Pick<Task, 'keeps'>,
  { known }: Given,
  { pixels, mask }: Condition,
): Frames {
  const result = noGrad(() =>
    tidy(() => {
      if (keeps !== 'known pixels') return tensorToFrames(made);
      return tensorToFrames(made.mul(mask.mul(-1).add(1)).add(pixels.mul(mask)));
    }),
  );
  return keeps === 'coarse picture' ? withCoarse(result, known[0]!.frames) : result;
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
