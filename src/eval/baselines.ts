/** What can be done without a model; a trained one has to be better. */
import type { Frames } from '../media/index.js';

/** The clip stands still: its first frame throughout. */
export function repeatFirstFrame({ width, height, numFrames, data }: Frames): Frames {
  const size = width * height * 3;
  const repeated = new Uint8Array(numFrames * size);
  for (let frame = 0; frame < numFrames; frame++) {
    repeated.set(data.subarray(0, size), frame * size);
  }
  return { width, height, numFrames, data: repeated };
}

/**
 * Fills the hole with the mean colour of the frame's known pixels; of a frame that is all hole, with
 * that of the clip, and of such a clip with middle grey.
 *
 * @param hole  [F, H, W], 1 where something is missing; the clip's pixels there are not looked at
 */
export function meanFill(clip: Frames, hole: Uint8Array): Frames {
  const { numFrames } = clip;
  const plane = clip.width * clip.height;
  const data = clip.data.slice();
  const wholeClip = meanKnown(clip, hole, 0, numFrames * plane) ?? [128, 128, 128];
  for (let frame = 0; frame < numFrames; frame++) {
    const [from, to] = [frame * plane, (frame + 1) * plane];
    const colour = meanKnown(clip, hole, from, to) ?? wholeClip;
    for (let p = from; p < to; p++) {
      if (hole[p]) data.set(colour, p * 3);
    }
  }
  return { ...clip, data };
}

/**
 * Fills each pixel of the hole from the nearest frame in time, the earlier of two, that knows it;
 * what no frame knows as `meanFill` does.
 *
 * @param hole  as in `meanFill`
 */
export function nearestFrameFill(clip: Frames, hole: Uint8Array): Frames {
  const { numFrames, data } = clip;
  const plane = clip.width * clip.height;
  const filled = meanFill(clip, hole);
  for (let frame = 0; frame < numFrames; frame++) {
    for (let p = 0; p < plane; p++) {
      if (!hole[frame * plane + p]) continue;
      for (let distance = 1; distance < numFrames; distance++) {
        const source = [frame - distance, frame + distance].find(
          (other) => other >= 0 && other < numFrames && !hole[other * plane + p],
        );
        if (source === undefined) continue;
        const from = (source * plane + p) * 3;
        filled.data.set(data.subarray(from, from + 3), (frame * plane + p) * 3);
        break;
      }
    }
  }
  return filled;
}

/** Mean RGB, rounded, of the known pixels from index `from` to `to`; null if there are none. */
function meanKnown(
  { data }: Frames,
  hole: Uint8Array,
  from: number,
  to: number,
): [number, number, number] | null {
  let [red, green, blue, count] = [0, 0, 0, 0];
  for (let p = from; p < to; p++) {
    if (hole[p]) continue;
    red += data[p * 3]!;
    green += data[p * 3 + 1]!;
    blue += data[p * 3 + 2]!;
    count++;
  }
  if (count === 0) return null;
  return [Math.round(red / count), Math.round(green / count), Math.round(blue / count)];
}
