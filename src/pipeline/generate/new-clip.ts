/** Results of any requested length: from a prompt, or extending and joining what is given. */
import { nextFitting } from '../../models/latent-grid.js';
import { given, TASKS, type Task, withDepth } from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import { fitSizes, windowFrames } from './fitting.js';
import { type Inputs, soundOf } from './inputs.js';
import type { Fitting } from './notes.js';
import type { UserRequest } from './request.js';
import { fitted, fittedDepth } from './shaping.js';
import { knownWithin, OVERLAPS, type Window, type WindowPlan, windowSpans } from './windows.js';

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
  const overlap = OVERLAPS[task.windows];
  // a window has room for the known frames, and for at least one more
  const fewest = Math.max(heads, tail.length > 0 ? overlap + ending : 0) + 1;
  const least = nextFitting(wanted > 1 ? Math.max(fewest, 2) : fewest);
  const most = windowFrames(request, wanted, settings, fitting, least);
  const spans = windowSpans(wanted, most, { overlap, ending });
  const windows = spans.map(({ start, made, kept, overlap }, i): Window => {
    const known = knownWithin(all.known, start, kept);
    const joins = known.length > 0 ? TASKS.vtrans : TASKS.vexd;
    return {
      task: i > 0 && task.windows === 'goes on' ? joins : task,
      given: given({ known }),
      numFrames: made,
      kept,
      overlap,
      last: i === spans.length - 1,
    };
  });
  const goesOn = task.inputs.includes('video');
  return {
    ...sizes,
    overlap,
    target: { ...sizes.made, numFrames: spans[0]!.made },
    fps: (goesOn ? fps : null) ?? settings.fps,
    numFrames: wanted,
    numWindows: spans.length,
    audio: goesOn ? soundOf(request.inputs[0]) : null,
    fullRange: media[0]?.fullRange ?? false,
    before: all.before,
    after: all.after,
    async *windows() {
      yield* windows;
    },
    first: windows[0]!.given,
  };
}
