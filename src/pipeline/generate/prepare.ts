/** From what a user gives to what is sampled: reading files, fitting them, one window after another. */
import type { Task } from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import { followInput } from './follow-input.js';
import { readInputs } from './inputs.js';
import { planNewClip } from './new-clip.js';
import { Fitting } from './notes.js';
import type { UserRequest } from './request.js';
import type { WindowPlan } from './windows.js';

/** A result's plan, and the files that it is read from. */
export interface Prepared extends WindowPlan {
  /** ends the reading */
  close(): Promise<void>;
}

/**
 * Reads everything that a task is given, all of which is there (see `expectParts`). Of a clip that is followed frame by frame only a
 * window is in memory.
 *
 * @throws InputError naming the option or the file, what is wrong with it, and the remedy
 */
export async function prepare(
  task: Task,
  request: UserRequest,
  settings: OwnSettings,
): Promise<Prepared> {
  const fitting = new Fitting(request.strict ?? false, request.onNote ?? (() => {}));
  const inputs = await readInputs(task, request, fitting);
  try {
    const prepared = task.followsInput
      ? await followInput(task, request, settings, fitting, inputs)
      : await planNewClip(task, request, settings, fitting, inputs);
    return { ...prepared, close: inputs.close };
  } catch (error) {
    await inputs.close();
    throw error;
  }
}
