/**
 * How the processes of a job work together. The training loop is written for any number of them;
 * alone, this is the optimizer and nothing else.
 */
import { InputError } from '../errors.js';
import { AdamW, type AdamWOptions, type StepOptions, type StepResult } from '../optim/index.js';
import type { Tensor } from '../tensor/index.js';
import type { CommunicationCost } from './cost.js';
import type { SequenceGroup } from './sequence.js';

/** An optimizer whose gradients are sums over all processes, and whose state may be spread over them. */
export interface ParallelOptimizer {
  /** float32 weights that this process answers for: all of them, or its part */
  masterWeights(): Map<string, Tensor>;
  /**
   * The backward pass of one micro-batch.
   * @param loss   null in a process that has no samples of this step
   * @param last   of the step: gradients are summed over the processes, while they are made
   */
  backward(loss: Tensor | null, last: boolean): void;
  /** After a `backward` that was the last; the same result in all processes. */
  step(options: StepOptions): Promise<StepResult>;
  zeroGrad(): void;
  /** What this process holds, see `AdamW`: live tensors. */
  stateDict(): Record<string, Tensor>;
  /** @param state   of all parameters; those of other processes are passed over */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void;
  /** Parameters as the processes that update them have written them, to all. */
  spread(): Promise<void>;
  dispose(): void;
}

/** The part of the samples that a process takes, alone or with those that share their tokens. */
export interface Split {
  rank: number;
  /** parts in all */
  size: number;
  /** the processes that share the tokens of each sample, for the network's forward pass */
  sequence: SequenceGroup | null;
}

export interface Parallel {
  readonly rank: number;
  readonly size: number;
  /**
   * How samples are dealt out where so many processes share the tokens of each.
   * @throws InputError if the job was not joined for that many
   */
  split(sequenceParallel: number): Split;
  optimizer(parameters: ReadonlyMap<string, Tensor>, options: AdamWOptions): ParallelOptimizer;
  /** Of each flag: is it so in any process? */
  any(...flags: boolean[]): Promise<boolean[]>;
  /** Every process's value, by rank; plain JSON. */
  share<T>(value: T): Promise<T[]>;
  /**
   * Does work in every process and waits for all, however long that takes as long as they live.
   * @returns every process's result, by rank; plain JSON
   * @throws the first failure in all processes, or an AbortError if it was only stopped
   */
  together<T>(work: () => T | Promise<T>): Promise<T[]>;
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
      `sequenceParallel: needs ${sequenceParallel} processes for each sample, and there ${size === 1 ? 'is 1' : `are ${size}`}; start more, e.g. with \`nproc\`, or set it to 1`,
    );
  }
  return {
    rank: Math.floor(rank / sequenceParallel),
    size: size / sequenceParallel,
    sequence,
  };
}

/** A job of one process. */
export const ALONE: Parallel = {
  rank: 0,
  size: 1,
  split: (sequenceParallel) => splitOf(0, 1, sequenceParallel, []),
  optimizer(parameters, options) {
    const adam = new AdamW(parameters, options);
    return {
      masterWeights: () => adam.masterWeights(),
      backward: (loss) => loss?.backward(),
      step: async (stepOptions) => adam.step(stepOptions),
      zeroGrad: () => adam.zeroGrad(),
      stateDict: () => adam.stateDict(),
      loadStateDict: (state) => adam.loadStateDict(state),
      spread: async () => {},
      dispose: () => adam.dispose(),
    };
  },
  any: async (...flags) => flags,
  share: async (value) => [value],
  together: async (work) => [await work()],
  takeCost: () => ({ waitedSeconds: 0, bytes: 0 }),
};
