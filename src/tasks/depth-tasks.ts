/** The tasks whose known frames have depth in the condition. Imports only types, as settings.ts does. */
import type { Task } from './task.js';

/** Tasks whose known frames have depth in the reference. Source: its pipeline_mfm.py */
export const REFERENCE_DEPTH_TASKS = ['i2v', 'vexd', 'itrans', 'vtrans'];

/** The tasks whose known frames have depth in the condition. */
export type DepthTasks = 'all' | readonly string[];

/** Is the depth of known frames part of the condition for this task? */
export const takesKnownDepth = (tasks: DepthTasks, { id }: Pick<Task, 'id'>): boolean =>
  tasks === 'all' || tasks.includes(id);
