/** Depth that a user gives, instead of depth that a model estimates from the frames. */
import { InputError } from '../errors.js';
import type { DepthMap, Frames } from '../media/index.js';
import type { ConditionInputs } from './condition-inputs.js';
import { type DepthTasks, takesKnownDepth } from './depth-tasks.js';
import { cutDepth } from './parts.js';
import type { Task } from './task.js';

/**
 * Adds the depth of each input to its known frames.
 *
 * @param media    the inputs that `given` was made from
 * @param depths   one for each of them, with a frame for each known frame of it or for each of its
 *                 frames; none: `given` stays as it is
 * @param tasks    see `takesKnownDepth`
 * @throws InputError if the task takes no depth, or the number or length of the maps is wrong
 */
export function withDepth(
  task: Pick<Task, 'id'>,
  given: ConditionInputs,
  media: readonly Frames[],
  depths: readonly DepthMap[],
  tasks: DepthTasks = 'all',
): ConditionInputs {
  if (depths.length === 0) return given;
  const [geometry] = given.geometry;
  expectDepths(task, given, media.length, depths.length, tasks);
  if (geometry) {
    const ofAll = media[0]!.numFrames;
    const ofKnown = geometry.frames!.numFrames;
    const depth = framesOf(depths[0]!, { start: 0, ofKnown, ofAll });
    return { ...given, geometry: [{ ...geometry, depth }] };
  }
  const known = given.known.map((one, i) => {
    // the last frames of the first input are known, and the first frames of the second
    const start = i === 0 ? (given.before?.numFrames ?? 0) : 0;
    const ofKnown = one.frames.numFrames;
    const ofAll = media[i]!.numFrames;
    return { ...one, depth: framesOf(depths[i]!, { start, ofKnown, ofAll }) };
  });
  return { ...given, known };
}

/** @throws InputError unless a task with these condition inputs takes this many depth maps */
export function expectDepths(
  task: Pick<Task, 'id'>,
  { geometry: [geometry], known }: ConditionInputs,
  numMedia: number,
  numDepths: number,
  tasks: DepthTasks,
): void {
  if (numDepths === 0) return;
  const { id } = task;
  const ofKnown = takesKnownDepth(tasks, task) && known.length > 0;
  const wanted = geometry ? (geometry.frames ? 1 : 0) : ofKnown ? numMedia : 0;
  if (wanted === 0) {
    const why = geometry ? 'takes depth as its input already' : 'takes no depth';
    throw new InputError(`${id}: ${why}; leave out \`depth\``);
  }
  if (numDepths !== wanted) {
    const [maps, how] =
      wanted === 1
        ? ['one depth map', '`depth: [FILE]`']
        : [`${wanted} depth maps, one for each input`, '`depth: [FILE, FILE]`'];
    throw new InputError(`${id}: needs ${maps}, got ${numDepths}; give ${how}`);
  }
}

function framesOf(
  map: DepthMap,
  { start, ofKnown, ofAll }: { start: number; ofKnown: number; ofAll: number },
): DepthMap {
  const { path, numFrames } = map;
  if (numFrames === ofKnown) return map;
  if (numFrames !== ofAll) {
    const allowed =
      ofAll === ofKnown
        ? `${ofKnown} as its input`
        : `${ofKnown}, one for each known frame, or ${ofAll} as its input`;
    throw new InputError(
      `${path}: must have as many frames as are known: ${allowed}, got ${numFrames}; cut it to that`,
    );
  }
  return cutDepth(map, start, ofKnown);
}
