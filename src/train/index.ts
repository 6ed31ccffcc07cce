/** Row 7: training from code, the package's `mfm/train`. */
export { expectTrainable } from './check.js';
export type { DataOptions } from './feed/training-data.js';
export { Recipe, stagesOf } from './recipe/config.js';
export { type Change, readRecipe } from './recipe/read-recipe.js';
export { train } from './train.js';
