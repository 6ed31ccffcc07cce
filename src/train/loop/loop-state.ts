/** Where a loop stands: what it has in memory, and what of that a checkpoint stores. */
import type { ParallelOptimizer } from '../../distributed/parallel.js';
import { Ema } from '../../optim/index.js';
import type { Optimisation } from '../recipe/config.js';
import type { Checkpoints } from '../run/checkpoints.js';
import { freshGuard, type GuardState } from './guard.js';
import type { LoopOptions } from './loop-options.js';
import { Means, type Sums } from './means.js';

/** Figures that are made now and then, of held-out samples. */
export type Evaluation = 'validate' | 'sample';

/** Where a run stands; plain JSON. */
export interface LoopState {
  stage: number;
  /** optimizer steps, over all stages, and of this one */
  step: number;
  stageStep: number;
  /** of training, in this stage and over all */
  stageSeconds: number;
  seconds: number;
  /** seen, by all processes */
  samples: number;
  position: unknown;
  guard: GuardState;
  /** due at this step and not finished, if the run was stopped before or amid them: made on resume */
  pendingEvaluations: Evaluation[];
}

/** What a checkpoint stores; checkpoints keep the name `unmeasured`. */
export type StoredState = Omit<LoopState, 'pendingEvaluations'> & {
  unmeasured: Evaluation[];
  /** since the last line of metrics, by rank */
  sums: Sums[];
};

export function toStored({ pendingEvaluations, ...state }: LoopState, sums: Sums[]): StoredState {
  return { ...state, unmeasured: pendingEvaluations, sums };
}

export function fromStored({ unmeasured, sums, ...state }: StoredState): {
  state: LoopState;
  sums: Sums[];
} {
  return { state: { ...state, pendingEvaluations: unmeasured }, sums };
}

const freshState = (): LoopState => ({
  stage: 0,
  step: 0,
  stageStep: 0,
  stageSeconds: 0,
  seconds: 0,
  samples: 0,
  position: null,
  guard: freshGuard(),
  pendingEvaluations: [],
});

/** The beginning of the stage that follows. */
export const nextStage = (state: LoopState): LoopState => ({
  ...state,
  stage: state.stage + 1,
  stageStep: 0,
  stageSeconds: 0,
  position: null,
});

/** What the phases of a loop share. */
export class Loop<Batch> {
  readonly optimizer: ParallelOptimizer;
  readonly ema: Ema;
  readonly checkpoints: Checkpoints<StoredState>;
  readonly totalSteps: number;
  state = freshState();
  means: Means;
  /** is the present step in a checkpoint? */
  saved = true;
  /** of the newest checkpoint */
  savedStep = 0;
  savedMs = 0;
  /** the disk is full, which has been said */
  cannotSave = false;
  /** does it begin without a checkpoint? */
  isNew = true;
  /** checkpoints from this step on are suspect: no step was good since the run went back to it */
  suspectFrom = Infinity;

  constructor(readonly options: LoopOptions<Batch>) {
    const { stages, parameters, run, part } = options;
    const { weightDecay, betas, emaDecay } = stages[0]!;
    this.optimizer = run.parallel.optimizer(parameters, { weightDecay, betas });
    this.ema = new Ema(this.optimizer.masterWeights(), emaDecay);
    this.checkpoints = run.checkpoints<StoredState>(part);
    this.totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
    this.means = new Means([], run.parallel);
  }

  /** Of the present stage. */
  get config(): Optimisation & { name?: string } {
    return this.options.stages[this.state.stage]!;
  }

  /**
   * The share of the stage that is over after so many of its steps: of the steps, or of its time
   * where that is limited and further.
   */
  doneAt(stageSteps: number): number {
    const { steps, maxSeconds = Infinity } = this.config;
    return Math.max(stageSteps / steps, this.state.stageSeconds / maxSeconds);
  }

  get done(): number {
    return this.doneAt(this.state.stageStep);
  }

  /** Says once what all processes know. */
  say(text: string): void {
    const { run, report } = this.options;
    if (run.parallel.rank === 0) report.log(text);
  }

  dispose(): void {
    this.optimizer.dispose();
    this.ema.dispose();
  }
}
