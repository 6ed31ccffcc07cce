/** What a training loop is given by its caller: what is trained, on what, and for which loss. */
import type { Tensor } from '../../tensor/index.js';
import type { Optimisation } from '../recipe/config.js';
import type { Run } from '../run/run.js';
import type { StepOutcome } from './means.js';
import type { Reporter } from './reporter.js';
import type { Source } from './source.js';

export interface StepContext {
  /** optimizer steps done before this one, over all stages */
  step: number;
  stage: number;
  /** see `ParallelOptimizer` */
  backward(loss: Tensor | null, last: boolean): void;
}

export interface LoopOptions<Batch> {
  part: string;
  run: Run;
  stages: readonly (Optimisation & { name?: string })[];
  seed: number;
  parameters: ReadonlyMap<string, Tensor>;
  /**
   * The batches of a stage, from a position on (null: from the first).
   * @param doneAt   the share of the stage that is over when so many of its batches are taken
   */
  open(stage: number, position: unknown, doneAt: (taken: number) => number): Promise<Source<Batch>>;
  /** forward and backward of a step; gradients are of the mean over all processes' samples */
  train(batch: Batch, context: StepContext): StepOutcome;
  /** `validate` before the first step too, for what begins with weights that were trained */
  validatesFirst?: boolean;
  /** figures of this process's held-out samples; runs with the averaged weights */
  validate?(stage: number, step: number): Promise<StepOutcome['figures']>;
  /** writes samples and returns figures of this process; runs with the averaged weights */
  sample?(stage: number, step: number): Promise<StepOutcome['figures']>;
  /** files that say what a batch was that had to be left out */
  dump?(batch: Batch, folder: string, why: Record<string, unknown>): void;
  /** operations that the machine can do in a second, for the share of them that is used */
  peakFlops?: number;
  report: Reporter;
  signal: AbortSignal;
}
