/** Row 5: the tasks, and how their inputs become a condition; the package's `mfm/tasks`. */
export type { RandomStream } from '../data/random.js';
export type { Sample } from '../data/sources/sample.js';
export { InputError } from '../errors.js';
export { type DepthMap, type Frames, type Mask, sliceFrames } from '../media/index.js';
export type { Hole } from '../media/mask/resize-mask.js';
export { compress } from './compress.js';
export { type Condition, conditionOf, inGray } from './condition.js';
export {
  type ConditionInputs,
  type Geometry,
  given,
  type Known,
  NOTHING,
  type Target,
} from './condition-inputs.js';
export { defineTask, type TaskDeclaration } from './define-task.js';
export { degrade, drawBorder, drawHole, shrink } from './degrade.js';
export type { DepthEstimator, DepthRules, DepthScale } from './depth-channel.js';
export { type DepthTasks, REFERENCE_DEPTH_TASKS, takesKnownDepth } from './depth-tasks.js';
export { expectDepths, withDepth } from './given-depth.js';
export { loadTasks, NO_OWN_TASKS, type OwnTasks, ownTasksOf } from './load-tasks.js';
export { drawMixture, everyPlace, geometryAt } from './mixture.js';
export { DEFAULT_MIXTURE, Mixture } from './mixture-config.js';
export {
  cut,
  cutDepth,
  cutMask,
  type End,
  ends,
  everyFrame,
  first,
  firstOf,
  knownFrom,
  last,
  lastOf,
  shapeOnly,
  without,
} from './parts.js';
export { depthAt, framesAt, geometryWhere, knownWhere, planesAt } from './pick.js';
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
export { allTasks, jointOf, TASK_IDS, TASKS, type TaskId, taskOf } from './table.js';
export {
  hasCondition,
  type InputKind,
  type Needs,
  type Task,
  taskOfLength,
  trainsAdapter,
  type UserInput,
} from './task.js';
