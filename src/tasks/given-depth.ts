/** Depth that a user gives, in place of what a model tells from the frames. */
import { InputError } from '../errors.js';
import type { DepthMap, Frames } from '../media/index.js';
import type { Given } from './condition.js';
import type { Task } from './task.js';

/**
 * Lays the depth of each input beside its known frames.
 *
 * @param media    the inputs that `given` was made of
 * @param depths   one for each of them, with a frame for each known frame of it or for each of its
 *                 frames; none: `given` stays as it is
 * @throws InputError where the task has no use for depth, or their number or length is wrong
 */
export function withDepth(
  { id }: Pick<Task, 'id'>,
  given: Given,
  media: readonly Frames[],
  depths: readonly DepthMap[],
): Given {
  if (depths.length === 0) return given;
  if (!given.depth) throw new InputError(`${id}: takes no depth; leave out --depth`);
  if (depths.length !== media.length) {
    const [wanted, how] =
      media.length === 1
        ? ['one depth map', '--depth FILE']
        : [`${media.length} depth maps, one for each input`, '--depth FILE --depth FILE'];
    throw new InputError(`${id}: needs ${wanted}, got ${depths.length}; give ${how}`);
  }
  const known = given.known.map((one, i) => {
    // of the first input the last frames are known, of the second its first
    const start = i === 0 ? (given.before?.numFrames ?? 0) : 0;
    const ofKnown = one.frames.numFrames;
    const ofAll = media[i]!.numFrames;
    return { ...one, depth: framesOf(depths[i]!, { start, ofKnown, ofAll }) };
  });
  return { ...given, known };
}

function framesOf(
  map: DepthMap,
  { start, ofKnown, ofAll }: { start: number; ofKnown: number; ofAll: number },
): DepthMap {
  const { path, width, height, numFrames, data } = map;
  if (numFrames === ofKnown) return map;
  if (numFrames !== ofAll) {
    const allowed =
      ofAll === ofKnown
        ? `${ofKnown} as its input`
        : `${ofKnown}, one for each known frame, or ${ofAll} as its input`;
    throw new InputError(
      `${path}: must have as many frames as there are to be known: ${allowed}, got ${numFrames}; cut it to that`,
    );
  }
  const plane = width * height;
  return {
    ...map,
    numFrames: ofKnown,
    data: data.subarray(start * plane, (start + ofKnown) * plane),
  };
}
