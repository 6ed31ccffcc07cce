/** Results of any requested length: from a prompt, or extending and joining what is given. */
import { nextFitting } from '../../models/latent-grid.js';
import { type ConditionInputs, TASKS, type Task, withDepth } from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import { fitSizes, type Sizes, windowFrames } from './fitting.js';
import { type Inputs, soundOf } from './inputs.js';
import type { Fitting } from './notes.js';
import type { UserRequest } from './request.js';
import { fitted, fittedDepth } from './shaping.js';
import { givenWithin, OVERLAPS, type Window, type WindowPlan, windowSpans } from './windows.js';

/** Plans a result for which only a prompt, or known frames at its ends, are given. */
export async function planNewClip(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  fitting: Fitting,
  { media, depths, fps }: Inputs,
): Promise<WindowPlan> {
  const sizes = fitSizes(task, request, media[0] ?? null, settings, fitting);
  const wanted = task.result === 'image' ? 1 : (request.numFrames ?? settings.numFrames);
  const shaped = media.map((one) => ({ ...one, ...fitted(one, sizes.result, request, fitting) }));
  // known frames at the ends have their positions, whatever lies between
  const whole = task.fromInput({ media: shaped, mask: null }, wanted);
  const all = withDepth(
    task,
    whole,
    media,
    depths.map((map) => fittedDepth(map, sizes.result, request, fitting)),
    settings.depthTasks,
  );
  const tail = all.known.filter(({ at }) => at[0]! > 0);
  const ending = tail.reduce((sum, { at }) => sum + at.length, 0);
  const heads = all.known.reduce((sum, { at }) => sum + at.length, 0) - ending;
  // a window has room for the known frames, and for at least one more
  const fewest = Math.max(heads, tail.length > 0 ? OVERLAPS[task.windows] + ending : 0) + 1;
  const goesOn = task.inputs.includes('video');
  // where frames are known here and there, the result is slower or faster than the input
  const keepsTime = all.known.every(({ at }) => at.every((place, i) => place === at[0]! + i));
  return planWindows(task, request, settings, fitting, {
    sizes,
    numFrames: wanted,
    all,
    fewest,
    ending,
    fps: (goesOn ? fps : null) ?? settings.fps,
    audio: goesOn && keepsTime ? soundOf(request.inputs[0], media[0], fitting) : null,
    fullRange: media[0]?.fullRange ?? false,
  });
}

/** A result of which some frames are known, whatever its length. */
export interface NewClip extends Pick<WindowPlan, 'fps' | 'audio' | 'fullRange'> {
  sizes: Sizes;
  /** frames of the result */
  numFrames: number;
  /** what is known of the whole result */
  all: ConditionInputs;
  /** the fewest frames of a window; default: 1 */
  fewest?: number;
  /** known frames at the end, which the last window has all of; default: 0 */
  ending?: number;
}

/** Divides a result into windows; each has what is known of its frames. */
export function planWindows(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
  fitting: Fitting,
  { sizes, numFrames, all, fewest = 1, ending = 0, ...facts }: NewClip,
): WindowPlan {
  const overlap = OVERLAPS[task.windows];
  const least = nextFitting(numFrames > 1 ? Math.max(fewest, 2) : fewest);
  const most = windowFrames(request, numFrames, settings, fitting, least);
  const spans = windowSpans(numFrames, most, { overlap, ending });
  const windows = spans.map(({ start, made, kept, overlap }, i): Window => {
    const own = givenWithin(all, start, spans.length > 1 ? kept : made);
    return {
      task: i > 0 ? nextTask(task, own) : task,
      given: own,
      numFrames: made,
      kept,
      overlap,
      last: i === spans.length - 1,
    };
  });
  return {
    ...sizes,
    ...facts,
    overlap,
    target: { ...sizes.made, numFrames: spans[0]!.made },
    numFrames,
    numWindows: spans.length,
    before: all.before,
    after: all.after,
    async *windows() {
      yield* windows;
    },
    first: windows[0]!.given,
  };
}

/** The task of a window that goes on from the one before. */
function nextTask(task: Task, { known }: ConditionInputs): Task {
  if (task.placed || task.windows !== 'goes on') return task;
  return known.length > 0 ? TASKS.vtrans : TASKS.vexd;
}
