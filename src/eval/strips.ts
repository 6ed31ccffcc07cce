/** Shows clips as single pictures for a page: some frames side by side. */
import { type DepthMap, type Frames, resizeFrames, sliceFrames } from '../media/index.js';
import type { Subject } from './figures.js';

const FRAMES = 5;
/** Larger frames are reduced to this width. */
const MAX_WIDTH = 192;
const GAP = 2;

/** The first and last frame and some in between, side by side. */
export function stripOf(clip: Frames): Frames {
  const scale = Math.min(1, MAX_WIDTH / clip.width);
  const size = {
    width: Math.round(clip.width * scale),
    height: Math.max(1, Math.round(clip.height * scale)),
  };
  const count = Math.min(FRAMES, clip.numFrames);
  const width = count * (size.width + GAP) - GAP;
  const strip = { width, height: size.height, numFrames: 1 };
  const data = new Uint8Array(width * size.height * 3).fill(255);
  for (let i = 0; i < count; i++) {
    const at = count === 1 ? 0 : Math.round((i * (clip.numFrames - 1)) / (count - 1));
    const frame = resizeFrames(sliceFrames(clip, at, at + 1), size);
    for (let y = 0; y < size.height; y++) {
      const row = frame.data.subarray(y * size.width * 3, (y + 1) * size.width * 3);
      data.set(row, (y * width + i * (size.width + GAP)) * 3);
    }
  }
  return { ...strip, data };
}

/** A view of the inputs: depth if given, else the known pixels; null if there are neither. */
export function shownOf({ laid, trial }: Subject): Frames | null {
  const depth = trial.given.geometry[0]?.depth;
  if (depth) return shownDepth(depth);
  return laid.any ? laid.clip : null;
}

/** Depth as gray frames: black is the farthest point of all frames, white the nearest. */
export function shownDepth({ width, height, numFrames, data: depth }: DepthMap): Frames {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of depth) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const scale = most > least ? 255 / (most - least) : 0;
  const data = new Uint8Array(depth.length * 3);
  depth.forEach((value, i) => {
    data.fill(Math.round((value - least) * scale), i * 3, i * 3 + 3);
  });
  return { width, height, numFrames, data };
}
