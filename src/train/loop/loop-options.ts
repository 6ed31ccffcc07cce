/** The options of a training loop: what is trained, on which data and for which loss. */
import type { OptimizerPlan } from '../../optim/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { Optimisation } from '../recipe/config.js';
import type { Run } from '../run/run.js';
import type { StepOutcome } from './means.js';
import type { Reporter } from './reporter.js';
import type { Sent, Source } from './source.js';

export interface StepContext<OwnSent extends Sent = Sent> {
  /** number of optimizer steps before this one, over all stages */
  step: number;
  stage: number;
  /** see `ParallelOptimizer` */
  backward(loss: Tensor | null, last: boolean): void;
  /** what `send` has returned for this batch and step; null: nothing was sent ahead */
  sent: OwnSent | null;
}

/** Hears how far an evaluation is: `done` of `total` units, of whatever size. */
export type Tell = (done: number, total: number) => void;

export interface LoopOptions<Batch, OwnSent extends Sent = Sent> {
  part: string;
  run: Run;
  stages: readonly (Optimisation & { name?: string })[];
  seed: number;
  parameters: ReadonlyMap<string, Tensor>;
  /** how they are updated, beside what the first stage says; default: all by AdamW, at one rate */
  optimizer?: Pick<OptimizerPlan, 'learningRateFactors' | 'muon'>;
  /**
   * Opens the batches of a stage at a position; null is the first batch.
   * @param doneAt   the share of the stage that is over after this many of its batches, 0..1
   * @param memory   what `remember` has returned last in this stage; null: nothing yet
   */
  open(
    stage: number,
    position: unknown,
    doneAt: (taken: number) => number,
    memory: () => unknown,
  ): Promise<Source<Batch>>;
  /**
   * forward and backward pass of a step; gradients are those of the mean over all processes'
   * samples
   */
  train(batch: Batch, context: StepContext<OwnSent>): StepOutcome;
  /**
   * sends to the device what a later step takes of its batch; its tensors are kept until the step has
   * been computed. Default: `train` sends it
   */
  send?(batch: Batch, at: Pick<StepContext, 'step' | 'stage'>): OwnSent | null;
  /** also validates before the first step: for training that begins with trained weights */
  validatesFirst?: boolean;
  /** measures this process's held-out samples, with the averaged weights */
  validate?(stage: number, step: number, tell: Tell): Promise<StepOutcome['figures']>;
  /**
   * what later batches of the stage need to know of a validation's figures, the same in all
   * processes; plain JSON, part of checkpoints
   */
  remember?(
    figures: Record<string, number>,
    before: { stage: number; position: unknown; memory: unknown },
  ): unknown;
  /** writes sample sheets and returns the figures of this process, with the averaged weights */
  sample?(stage: number, step: number, tell: Tell): Promise<StepOutcome['figures']>;
  /** what takes less memory in a stage, as a phrase; default: a smaller batch */
  lessMemory?(stage: number): string;
  /** writes files that describe the batch of a skipped step */
  dump?(batch: Batch, folder: string, why: Record<string, unknown>): void;
  /** operations per second that the machine can reach, to report the share that training uses */
  peakFlops?: number;
  report: Reporter;
  signal: AbortSignal;
}
