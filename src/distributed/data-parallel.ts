/**
 * Data parallelism: every process computes the gradients of its samples, and their sums update the
 * weights. Which processes keep what:
 *
 *     sharding   optimizer state, masters   gradients after their sum       averages (EMA)
 *     ddp        all                        all                             owner
 *     zero1      owner                      all, until the step is over     owner
 *     zero2      owner                      owner                           owner
 *
 * Each parameter has one owner and is never split. All processes hold the weights in the network's
 * dtype.
 * Source: Li et al. 2020, arXiv 2006.15704 (buckets, overlap); Rajbhandari et al. 2019,
 * arXiv 1910.02054 (ZeRO)
 */
import {
  createOptimizer,
  globalGradNorm,
  type Optimizer,
  type OptimizerPlan,
  type StepOptions,
  type StepResult,
} from '../optim/index.js';
import { bytesPerElement, cat, empty, noGrad, type Tensor, tensor, tidy } from '../tensor/index.js';
import { BUCKET_BYTES, ownersOf, runsOf } from './buckets.js';
import { type CommunicationCost, CostMeter } from './cost.js';
import { GradientSums } from './gradient-sums.js';
import { type Parallel, type ParallelOptimizer, splitOf } from './parallel.js';
import type { ProcessGroup, Work } from './process-group.js';
import type { SequenceGroup } from './sequence.js';
import { together } from './together.js';
import { allReduceBytes, broadcastBytes } from './traffic.js';

export type Sharding = 'ddp' | 'zero1' | 'zero2';

export interface DataParallelOptions {
  sharding: Sharding;
  /** gradients and weights are sent in buckets of about this size, default 25 MB */
  bucketBytes?: number;
  /** for sequence parallelism: one group for each degree that is used */
  sequences?: readonly SequenceGroup[];
}

/** The most broadcasts in flight at once. */
const IN_FLIGHT = 4;

/** `Parallel` for the processes of a group, which train one model together. */
export function dataParallel(
  group: ProcessGroup,
  { sharding, bucketBytes = BUCKET_BYTES, sequences = [] }: DataParallelOptions,
): Parallel {
  const meter = new CostMeter();
  return {
    rank: group.rank,
    size: group.size,
    split: (sequenceParallel) => splitOf(group.rank, group.size, sequenceParallel, sequences),
    optimizer: (parameters, plan) =>
      new SharedOptimizer(group, parameters, plan, { sharding, bucketBytes, meter }),
    any: async (...flags) => {
      const highest = tensor(flags.map(Number), { dtype: 'int64' });
      await meter.waitFor(group.allReduce([highest], 'max'));
      return [...highest.toFloat32Array()].map((flag) => flag > 0);
    },
    share: (value) => meter.waitFor(group.shareJson(value)),
    together: (work) => together(group, work),
    takeCost: () => {
      const costs = [meter, ...sequences.map((sequence) => sequence.meter)].map((m) => m.take());
      const sum = (key: keyof CommunicationCost) => costs.reduce((all, one) => all + one[key], 0);
      return { waitedSeconds: sum('waitedSeconds'), bytes: sum('bytes') };
    },
  };
}

class SharedOptimizer implements ParallelOptimizer {
  private readonly updates: Optimizer;
  private readonly sums: GradientSums;
  private readonly owners: number[];
  private readonly own: ReadonlySet<string>;

  constructor(
    private readonly group: ProcessGroup,
    private readonly parameters: ReadonlyMap<string, Tensor>,
    plan: OptimizerPlan,
    private readonly settings: { sharding: Sharding; bucketBytes: number; meter: CostMeter },
  ) {
    const { sharding, bucketBytes, meter } = settings;
    const all = [...parameters];
    const sizes = all.map(([, { numel }]) => numel);
    this.owners = ownersOf(sizes, group.size);
    const mine = all.filter((_, i) => this.owners[i] === group.rank);
    this.own = new Set(mine.map(([name]) => name));
    // all start from rank 0's weights, whatever each process was initialised with
    for (const work of this.broadcasts(() => 0)) meter.waitForSync(() => work.waitSync());
    this.updates = createOptimizer(sharding === 'ddp' ? parameters : new Map(mine), plan);
    this.sums = new GradientSums(group, parameters, {
      owners: sharding === 'ddp' ? null : this.owners,
      freeEarly: sharding === 'zero2',
      bucketBytes,
      meter,
    });
  }

  masterWeights(): Map<string, Tensor> {
    return new Map([...this.updates.masterWeights()].filter(([name]) => this.own.has(name)));
  }

  backward(loss: Tensor | null, last: boolean): void {
    this.sums.backward(loss, last);
  }

  async step(options: StepOptions): Promise<StepResult> {
    const gradients = await this.sums.finish();
    let [squares, late] = await this.globalSquares(gradients);
    if (late > 0) {
      await this.sums.finishLate(gradients);
      [squares] = await this.globalSquares(gradients);
    }
    const gradNorm = Math.sqrt(squares);
    const result = this.updates.step(options, { gradients, gradNorm });
    if (!result.skipped && this.settings.sharding !== 'ddp') await this.spread();
    return result;
  }

  zeroGrad(): void {
    this.sums.clear();
  }

  stateDict(): Record<string, Tensor> {
    // keys are KIND.PARAMETER, and `step`
    const isOwn = (key: string) => key === 'step' || this.own.has(key.slice(key.indexOf('.') + 1));
    return Object.fromEntries(
      Object.entries(this.updates.stateDict()).filter(([key]) => isOwn(key)),
    );
  }

  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    this.updates.loadStateDict(state);
  }

  async spread(): Promise<void> {
    const { meter } = this.settings;
    const underWay: Work[] = [];
    const wait = () => meter.waitFor(underWay.shift()!.wait());
    for (const work of this.broadcasts((i) => this.owners[i]!)) {
      underWay.push(work);
      if (underWay.length >= IN_FLIGHT) await wait();
    }
    while (underWay.length > 0) await wait();
  }

  dispose(): void {
    this.sums.dispose();
    this.updates.dispose();
  }

  /**
   * The sum of squares of all gradients, identical in all processes because each contributes that
   * of its own parameters; and the number of processes in which part of a gradient came late.
   */
  private async globalSquares(
    gradients: ReadonlyMap<string, Tensor>,
  ): Promise<[squares: number, late: number]> {
    const { group, settings, sums } = this;
    const own = [...gradients].filter(([name]) => this.own.has(name));
    const norm = globalGradNorm(own.map(([, gradient]) => gradient));
    const both = tensor([norm * norm, sums.hasLate ? 1 : 0], { dtype: 'float64' });
    settings.meter.add(allReduceBytes(group.size, 16));
    await settings.meter.waitFor(group.allReduce([both]));
    const [squares, late] = both.toArray() as Float64Array;
    return [squares!, late!];
  }

  /** Starts broadcasting parameters from their process `root(i)`, in buckets of a single dtype. */
  private *broadcasts(root: (index: number) => number): Generator<Work> {
    const { group, settings } = this;
    const tensors = [...this.parameters.values()];
    const sizes = tensors.map(({ numel }) => numel);
    const bytesPer = (i: number) => bytesPerElement(tensors[i]!.dtype);
    const kinds = tensors.map((tensor, i) => `${root(i)} ${tensor.dtype}`);
    for (const kind of new Set(kinds)) {
      const members = sizes.map((_, i) => i).filter((i) => kinds[i] === kind);
      const [first] = members as [number];
      const limit = settings.bucketBytes / bytesPer(first);
      for (const run of runsOf(members, sizes, limit)) {
        const numel = run.reduce((sum, i) => sum + sizes[i]!, 0);
        settings.meter.add(broadcastBytes(group.size, numel * bytesPer(first)));
        yield startBroadcast(
          group,
          run.map((i) => tensors[i]!),
          root(first),
        );
      }
    }
  }
}

/** Broadcasts tensors of the same dtype in one message. */
function startBroadcast(group: ProcessGroup, tensors: Tensor[], root: number): Work {
  if (tensors.length === 1) return group.startBroadcast(tensors[0]!, root);
  const isRoot = group.rank === root;
  const flat = noGrad(() =>
    tidy(() => {
      if (isRoot) return cat(tensors.map((tensor) => tensor.detach().flatten())).keep();
      const [{ dtype, device }] = tensors as [Tensor];
      const numel = tensors.reduce((sum, tensor) => sum + tensor.numel, 0);
      return empty([numel], { dtype, device }).keep();
    }),
  );
  const work = group.startBroadcast(flat, root);
  const unpack = () => {
    if (!isRoot) {
      noGrad(() =>
        tidy(() => {
          const pieces = flat.splitWithSizes(tensors.map(({ numel }) => numel));
          for (const [i, tensor] of tensors.entries()) tensor.copy_(pieces[i]!.view(tensor.shape));
        }),
      );
    }
    flat.dispose();
  };
  return {
    wait: () => work.wait().then(unpack),
    waitSync: () => {
      work.waitSync();
      unpack();
    },
  };
}
