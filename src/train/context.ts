/** What every part of a run is given. */
import type { Recipe } from './config.js';
import type { TrainingData } from './data.js';
import type { Reporter } from './loop.js';
import type { Run } from './run.js';

export interface PartContext {
  run: Run;
  recipe: Recipe;
  data: TrainingData;
  report: Reporter;
  signal: AbortSignal;
}
