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
export { withDepth } from './given-depth.js';
export { TASK_IDS, type TaskId } from './ids.js';
export { taggedPrompt } from './prompt.js';
export { TASKS, taskOf } from './table.js';
export type { InputKind, Task, UserInput } from './task.js';
