/** Reads and fits a user's input, and plans its windows for sampling. */
import type { Task } from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import { followInput } from './follow-input.js';
import { expectDepthShapes, readInputs } from './inputs.js';
import { planNewClip } from './new-clip.js';
import { Fitting } from './notes.js';
import { planPlaced } from './place-known.js';
import type { UserRequest } from './request.js';
import type { WindowPlan } from './windows.js';

/** A result's plan, and the files that it is read from. */
export interface Prepared extends WindowPlan {
  /** stops reading the input */
  close(): Promise<void>;
}

/**
 * Reads all inputs of a task; the request must be complete (see `expectParts`). Of a clip that is
 * followed frame by frame, only a window is in memory.
 *
 * @throws InputError naming the option or the file, what is wrong with it, and the remedy
 */
export async function prepare(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
): Promise<Prepared> {
  const fitting = new Fitting(request.strict ?? false, request.onNote ?? (() => {}));
  if (task.placed) {
    return { ...(await planPlaced(task, request, settings, fitting)), close: async () => {} };
  }
  const inputs = await readInputs(task, request, fitting);
  try {
    const prepared = task.followsInput
      ? await followInput(task, request, settings, fitting, inputs)
      : await planNewClip(task, request, settings, fitting, inputs);
    expectDepthShapes(inputs); // after their lengths, which planning checks
    return { ...prepared, close: inputs.close };
  } catch (error) {
    await inputs.close();
    throw error;
  }
}
