/** The state of a training loop: what is in memory, and which part of it a checkpoint stores. */
import type { ParallelOptimizer } from '../../distributed/parallel.js';
import { Ema } from '../../optim/index.js';
import type { Optimisation } from '../recipe/config.js';
import type { Checkpoints } from '../run/checkpoints.js';
import { freshGuard, type GuardState } from './guard.js';
import type { LoopOptions } from './loop-options.js';
import { Means, type Sums } from './means.js';
import type { Taken } from './source.js';

/** The kinds of periodic evaluation on held-out samples. */
export type Evaluation = 'validate' | 'sample';

/** How far a run is; plain JSON. */
export interface LoopState {
  stage: number;
  /** optimizer steps over all stages, and in this one */
  step: number;
  stageStep: number;
  /** seconds of training in this stage, and over all */
  stageSeconds: number;
  seconds: number;
  /** samples trained on, by all processes */
  samples: number;
  position: unknown;
  /** see `LoopOptions.remember` */
  memory: unknown;
  guard: GuardState;
  /**
   * due at this step and not finished, because the run was stopped before or during them: run on
   * resume
   */
  pendingEvaluations: Evaluation[];
}

/**
 * What a checkpoint stores; in files, `pendingEvaluations` keeps its older name `unmeasured`, and
 * without a `memory` there is none, as in older checkpoints.
 */
export type StoredState = Omit<LoopState, 'pendingEvaluations' | 'memory'> & {
  memory?: unknown;
  unmeasured: Evaluation[];
  /** sums since the last line of metrics, by rank */
  sums: Sums[];
  /** where it was computed; older checkpoints do not say */
  device?: string;
};

export function toStored(
  { pendingEvaluations, memory, ...state }: LoopState,
  sums: Sums[],
  device: string,
): StoredState {
  const stored = { ...state, unmeasured: pendingEvaluations, sums, device };
  return memory === null ? stored : { ...stored, memory };
}

export function fromStored({
  unmeasured,
  sums,
  device = 'cpu',
  memory = null,
  ...state
}: StoredState): {
  state: LoopState;
  sums: Sums[];
  device: string;
} {
  return { state: { ...state, memory, pendingEvaluations: unmeasured }, sums, device };
}

const freshState = (): LoopState => ({
  stage: 0,
  step: 0,
  stageStep: 0,
  stageSeconds: 0,
  seconds: 0,
  samples: 0,
  position: null,
  memory: null,
  guard: freshGuard(),
  pendingEvaluations: [],
});

/** The state at the beginning of the next stage. */
export const nextStage = (state: LoopState): LoopState => ({
  ...state,
  stage: state.stage + 1,
  stageStep: 0,
  stageSeconds: 0,
  position: null,
  memory: null,
});

/** A loop under way: what its phases share. */
export class Loop<Batch> {
  readonly optimizer: ParallelOptimizer;
  readonly ema: Ema;
  readonly checkpoints: Checkpoints<StoredState>;
  readonly totalSteps: number;
  state = freshState();
  means: Means;
  /** is the current step in a checkpoint? */
  saved = true;
  /** step of the newest checkpoint */
  savedStep = 0;
  savedMs = 0;
  /** a checkpoint could not be written, and this has been reported */
  cannotSave = false;
  /** did it begin without a checkpoint? */
  isNew = true;
  /** checkpoints from this step on are suspect: no step has been good since the rollback to it */
  suspectFrom = Infinity;
  /** the batch of the next step, if it is taken ahead */
  upcoming: Promise<Taken<Batch>> | null = null;

  constructor(readonly options: LoopOptions<Batch>) {
    const { stages, parameters, run, part } = options;
    const { weightDecay, betas, emaDecay } = stages[0]!;
    this.optimizer = run.parallel.optimizer(parameters, {
      weightDecay,
      betas,
      ...options.optimizer,
    });
    this.ema = new Ema(this.optimizer.masterWeights(), emaDecay);
    this.checkpoints = run.checkpoints<StoredState>(part);
    this.totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
    this.means = new Means([], run.parallel);
  }

  /** The plan of the current stage. */
  get config(): Optimisation & { name?: string } {
    return this.options.stages[this.state.stage]!;
  }

  /**
   * The share of the stage that is over after this many of its steps: the share of its steps, or of
   * its time limit if that is larger.
   */
  doneAt(stageSteps: number): number {
    const { steps, maxSeconds = Infinity } = this.config;
    return Math.max(stageSteps / steps, this.state.stageSeconds / maxSeconds);
  }

  /** Where the trained network computes. */
  get device(): string {
    const [first] = this.options.parameters.values();
    return first?.device ?? 'cpu';
  }

  get done(): number {
    return this.doneAt(this.state.stageStep);
  }

  /** Reports a sentence once for all processes. */
  say(text: string): void {
    const { run, report } = this.options;
    if (run.parallel.rank === 0) report.log(text);
  }

  dispose(): void {
    this.optimizer.dispose();
    this.ema.dispose();
    this.means.dispose();
  }
}
