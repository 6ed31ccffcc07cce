/** Row 7 of docs/architecture.md: training from code, which the package exports as `mfm/train`. */
export type { Dataset, DatasetSample } from '../data/sources/dataset.js';
export { type DistilOptions, distil, distilRecipe } from './distil-recipe.js';
export type { RecipeInput } from './recipe/config.js';
export type { Change } from './recipe/read-recipe.js';
export type { RunEvent } from './run/run-event.js';
export type { RunStatus } from './run/status.js';
export { type TrainOptions, train } from './train.js';
export type { ProgressEvent, TrainEvent } from './train-event.js';
export type { Training, TrainOutcome } from './training.js';
