/** Row 5: the tasks, and how their inputs become a condition; the package's `mfm/tasks`. */
export type { RandomStream } from '../data/random.js';
export type { Sample } from '../data/sources/sample.js';
export { InputError } from '../errors.js';
export { type DepthMap, type Frames, type Mask, sliceFrames } from '../media/index.js';
export { compress } from './compress.js';
export {
  type Condition,
  type ConditionInputs,
  conditionOf,
  type DepthEstimator,
  type Geometry,
  given,
  inGray,
  type Known,
  NOTHING,
  type Target,
} from './condition.js';
export { defineTask, type TaskDeclaration } from './define-task.js';
export { degrade, drawBorder, drawHole, shrink } from './degrade.js';
export { expectDepths, withDepth } from './given-depth.js';
export { loadTasks, NO_OWN_TASKS, type OwnTasks, ownTasksOf } from './load-tasks.js';
export {
  cut,
  cutDepth,
  cutMask,
  ends,
  everyFrame,
  first,
  last,
  shapeOnly,
  without,
} from './parts.js';
export { promptFor, type SampleWords, taggedPrompt } from './prompt.js';
export {
  lackOf,
  type MixEntry,
  qualifiedTasks,
  shortcomings,
  type TaskTally,
  type Thresholds,
  tallyLines,
  tallyTask,
  taskMix,
  type WeightedTask,
  weightedTasks,
} from './qualify.js';
export { allTasks, TASK_IDS, TASKS, type TaskId, taskOf } from './table.js';
export type { InputKind, Needs, Task, UserInput } from './task.js';
