/**
 * How the processes of a job work together. The training loop is written for any number of
 * processes; with a single one, this is just the optimizer.
 */
import { InputError } from '../errors.js';
import {
  createOptimizer,
  type GivenGradients,
  globalGradNorm,
  type OptimizerPlan,
  type StepOptions,
  type StepResult,
} from '../optim/index.js';
import { type Tensor, tidy } from '../tensor/index.js';
import type { CommunicationCost } from './cost.js';
import type { SequenceGroup } from './sequence.js';
import { WideSums } from './wide-sums.js';

/** An optimizer whose gradients are summed, and whose state may be sharded, over all processes. */
export interface ParallelOptimizer {
  /** the float32 weights that this process owns: all of them, or its shard */
  masterWeights(): Map<string, Tensor>;
  /**
   * Runs the backward pass of one micro-batch.
   * @param loss   null in a process that has no samples in this step
   * @param last   the step's last micro-batch: gradients are summed over the processes meanwhile
   */
  backward(loss: Tensor | null, last: boolean): void;
  /** Updates the parameters, after the last `backward`; the result is the same in all processes. */
  step(options: StepOptions): Promise<StepResult>;
  zeroGrad(): void;
  /** This process's part of the state, see `AdamW` and `Muon`; live tensors. */
  stateDict(): Record<string, Tensor>;
  /** @param state   of all parameters; the parts of other processes are ignored */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void;
  /** Broadcasts every parameter from its owner to all processes. */
  spread(): Promise<void>;
  dispose(): void;
}

/** The part of the samples that a process works on, alone or with others that share the tokens. */
export interface Split {
  rank: number;
  /** the number of parts */
  size: number;
  /** the processes that share the tokens of each sample, for the network's forward pass */
  sequence: SequenceGroup | null;
}

export interface Parallel {
  readonly rank: number;
  readonly size: number;
  /**
   * How samples are divided when `sequenceParallel` processes share the tokens of each.
   * @throws InputError if the job has no sequence groups of that size
   */
  split(sequenceParallel: number): Split;
  optimizer(parameters: ReadonlyMap<string, Tensor>, plan: OptimizerPlan): ParallelOptimizer;
  /** For each flag: is it true in any process? */
  any(...flags: boolean[]): Promise<boolean[]>;
  /** Gathers every process's value, by rank; values must be plain JSON. */
  share<T>(value: T): Promise<T[]>;
  /**
   * Runs `work` in every process and waits for all, without a time limit as long as they are alive.
   * @returns every process's result, by rank; plain JSON
   * @throws the first failure, in all processes; an AbortError if the work was only stopped
   */
  together<T>(work: () => T | Promise<T>): Promise<T[]>;
  /** The communication cost since the last call. */
  takeCost(): CommunicationCost;
}

export function splitOf(
  rank: number,
  size: number,
  sequenceParallel: number,
  groups: readonly SequenceGroup[],
): Split {
  if (sequenceParallel === 1) return { rank, size, sequence: null };
  const sequence = groups.find((group) => group.size === sequenceParallel);
  if (!sequence) {
    throw new InputError(
      `sequenceParallel: needs ${sequenceParallel} processes for each sample, but there ${size === 1 ? 'is 1' : `are ${size}`}; start more, e.g. with \`nproc\`, or set it to 1`,
    );
  }
  return {
    rank: Math.floor(rank / sequenceParallel),
    size: size / sequenceParallel,
    sequence,
  };
}

/** `Parallel` for a job with a single process. */
export const ALONE: Parallel = {
  rank: 0,
  size: 1,
  split: (sequenceParallel) => splitOf(0, 1, sequenceParallel, []),
  optimizer(parameters, plan) {
    const optimizer = createOptimizer(parameters, plan);
    const wide = new WideSums([...parameters.values()]);
    return {
      masterWeights: () => optimizer.masterWeights(),
      backward(loss, last) {
        loss?.backward();
        if (!last || !wide.isEmpty) wide.addAll();
      },
      step: async (stepOptions) =>
        tidy(() => optimizer.step(stepOptions, summed(parameters, wide))),
      zeroGrad() {
        optimizer.zeroGrad();
        wide.clear();
      },
      stateDict: () => optimizer.stateDict(),
      loadStateDict: (state) => optimizer.loadStateDict(state),
      spread: async () => {},
      dispose() {
        optimizer.dispose();
        wide.clear();
      },
    };
  },
  any: async (...flags) => flags,
  share: async (value) => [value],
  together: async (work) => [await work()],
  takeCost: () => ({ waitedSeconds: 0, bytes: 0 }),
};

/** The gradients of all micro-batches; undefined if they are those of the parameters. */
function summed(
  parameters: ReadonlyMap<string, Tensor>,
  wide: WideSums,
): GivenGradients | undefined {
  if (wide.isEmpty) return undefined;
  const gradients = new Map<string, Tensor>();
  for (const [index, [name, { grad }]] of [...parameters].entries()) {
    const gradient = wide.get(index) ?? grad;
    if (gradient) gradients.set(name, gradient);
  }
  return { gradients, gradNorm: globalGradNorm([...gradients.values()]) };
}
