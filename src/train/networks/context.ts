/** What every part of a run gets. */
import type { TrainingData } from '../feed/training-data.js';
import type { Reporter } from '../loop/reporter.js';
import type { PipelineRecipe } from '../recipe/config.js';
import type { Run } from '../run/run.js';

export interface PartContext {
  run: Run;
  recipe: PipelineRecipe;
  data: TrainingData;
  report: Reporter;
  signal: AbortSignal;
  /** where networks compute, as tensors name it */
  device: string;
}
