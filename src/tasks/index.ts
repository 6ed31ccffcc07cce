/** Row 5: what each task is given and how it becomes a condition. */
export {
  type Condition,
  conditionOf,
  type DepthEstimator,
  type Given,
  given,
  inGray,
  type Known,
  NOTHING,
  type Target,
} from './condition.js';
export { drawBorder, drawHole, shrink } from './degrade.js';
export { taggedPrompt } from './prompt.js';
export { TASK_IDS, TASKS, type TaskId } from './table.js';
export type { InputKind, Task, UserInput } from './task.js';
