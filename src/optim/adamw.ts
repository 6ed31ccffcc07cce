/**
 * AdamW with float32 state, for parameters in float32 or, by float32 master weights, in 16 bits.
 */
import { InputError } from '../errors.js';
import { call, hasOperator, noGrad, ops, type Tensor, tidy, zeros } from '../tensor/index.js';
import { clipFactor, globalGradNorm } from './clip.js';

export interface AdamWOptions {
  betas?: [number, number];
  eps?: number;
  /** decoupled: each step multiplies weights by 1 − learningRate · weightDecay */
  weightDecay?: number;
  /** factor of the learning rate */
  learningRateFactor?: number;
}

/** Parameters, by name, that share options. */
export interface ParameterGroup extends AdamWOptions {
  parameters: ReadonlyMap<string, Tensor>;
}

export interface StepOptions {
  learningRate: number;
  /** gradients are scaled down to this global norm if theirs is larger; null: no clipping */
  clipGradNorm?: number | null;
  /** factor applied to every gradient first, e.g. 1 / number of accumulated micro-batches */
  gradScale?: number;
  /** a step with a larger global norm is skipped, like one that is not finite; default: no limit */
  skipAbove?: number | null;
}

export interface StepResult {
  /** global norm before clipping, after `gradScale` */
  gradNorm: number;
  /** true if a gradient was non-finite or the norm too large: then nothing was changed */
  skipped: boolean;
}

/** Gradients stored outside the parameters, such as sums over several processes. */
export interface GivenGradients {
  /** by parameter name; in float32 or the parameter's dtype */
  gradients: ReadonlyMap<string, Tensor>;
  /** global norm before `gradScale`; may cover more parameters than these */
  gradNorm: number;
}

interface Entry {
  name: string;
  parameter: Tensor;
  /** float32; the parameter itself if that is float32 */
  master: Tensor;
  average: Tensor;
  squareAverage: Tensor;
  options: Required<AdamWOptions>;
}

/**
 * The AdamW optimizer, with the defaults of torch.optim.AdamW.
 * Source: Loshchilov & Hutter 2017, arXiv 1711.05101
 */
export class AdamW {
  private readonly entries: Entry[];
  private stepCount = 0;

  /** @param parameters   all parameters by name, or groups that override `defaults` */
  constructor(
    parameters: ReadonlyMap<string, Tensor> | readonly ParameterGroup[],
    defaults: AdamWOptions = {},
  ) {
    const groups: readonly ParameterGroup[] =
      'entries' in parameters && parameters instanceof Map
        ? [{ parameters }]
        : (parameters as readonly ParameterGroup[]);
    this.entries = noGrad(() =>
      groups.flatMap(({ parameters: members, ...own }) =>
        [...members].map(([name, parameter]) => {
          const options = {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weightDecay: 0.01,
            learningRateFactor: 1,
            ...defaults,
            ...own,
          };
          return newEntry(name, parameter, options as Required<AdamWOptions>);
        }),
      ),
    );
  }

  /** The number of updates so far; skipped steps do not count. */
  get steps(): number {
    return this.stepCount;
  }

  /** The float32 weights behind the parameters, for averaging and checkpoints. */
  masterWeights(): Map<string, Tensor> {
    return new Map(this.entries.map(({ name, master }) => [name, master]));
  }

  /**
   * Updates every parameter that has a gradient; gradients stay until `zeroGrad`.
   * @param given   to use in place of the parameters' own gradients and their norm
   */
  step(
    { learningRate, clipGradNorm = null, gradScale = 1, skipAbove = null }: StepOptions,
    given?: GivenGradients,
  ): StepResult {
    return noGrad(() =>
      tidy(() => {
        const work = this.entries.flatMap((entry) => {
          const grad = given ? given.gradients.get(entry.name) : entry.parameter.grad;
          return grad ? [{ entry, grad }] : [];
        });
        const norm = given ? given.gradNorm : globalGradNorm(work.map(({ grad }) => grad));
        const gradNorm = norm * gradScale;
        if (!Number.isFinite(gradNorm) || gradNorm > (skipAbove ?? Infinity)) {
          return { gradNorm, skipped: true };
        }
        this.stepCount += 1;
        const factor = gradScale * (clipGradNorm === null ? 1 : clipFactor(gradNorm, clipGradNorm));
        for (const group of groupsOf(work)) this.update(group, learningRate, factor);
        return { gradNorm, skipped: false };
      }),
    );
  }

  /** Drops all gradients. */
  zeroGrad(): void {
    for (const { parameter } of this.entries) parameter.grad = null;
  }

  /**
   * State for a checkpoint: `step`, and by parameter name `average.*`, `square_average.*` and, for
   * parameters that are not float32, `master.*`. The tensors are live, not copies: save them at
   * once.
   */
  stateDict(): Record<string, Tensor> {
    const state: Record<string, Tensor> = {
      step: ops.full([1], this.stepCount, { dtype: 'int64' }),
    };
    for (const { name, parameter, master, average, squareAverage } of this.entries) {
      state[`average.${name}`] = average;
      state[`square_average.${name}`] = squareAverage;
      if (master !== parameter) state[`master.${name}`] = master;
    }
    return state;
  }

  /**
   * Call it when the parameters have their weights: what was begun in another dtype goes on in theirs.
   * @throws InputError naming a tensor that is missing
   */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    const get = (key: string) => {
      const found = state[key];
      if (!found)
        throw new InputError(`AdamW.loadStateDict: the state must contain ${key}, but does not`);
      return found;
    };
    noGrad(() =>
      tidy(() => {
        for (const { name, parameter, master, average, squareAverage } of this.entries) {
          average.copy_(get(`average.${name}`));
          squareAverage.copy_(get(`square_average.${name}`));
          restoreMaster({ name, parameter, master }, state);
        }
        this.stepCount = get('step').item();
      }),
    );
  }

  /** Frees the state; the parameters stay. */
  dispose(): void {
    for (const { parameter, master, average, squareAverage } of this.entries.splice(0)) {
      average.dispose();
      squareAverage.dispose();
      if (master !== parameter) master.dispose();
    }
  }

  private update(group: Work[], baseRate: number, factor: number): void {
    const [{ parameter, master, options }] = group.map(({ entry }) => entry);
    const learningRate = baseRate * options.learningRateFactor;
    const [beta1, beta2] = options.betas;
    const { eps, weightDecay } = options;
    const masters = group.map(({ entry }) => entry.master);
    const averages = group.map(({ entry }) => entry.average);
    const squares = group.map(({ entry }) => entry.squareAverage);
    const grads = group.map(({ grad }) => grad);

    if (master.device === 'cpu') {
      // a single pass over everything, which also refreshes the bfloat16 weights
      const refreshed = parameter.dtype === 'bfloat16';
      const copies = refreshed ? group.map(({ entry }) => entry.parameter) : [];
      const numbers = [learningRate, beta1, beta2, eps, weightDecay, this.stepCount, factor];
      call('mfm::adamw_', masters, grads, averages, squares, copies, ...numbers);
      if (refreshed || parameter === master) return;
    } else {
      // scaled here, in float32: a 16-bit gradient must not be rounded a second time
      const wide = grads.map((grad) => grad.to('float32'));
      const scaled = call<Tensor[]>('aten::_foreach_mul.Scalar', wide, factor);
      this.updateByLists([masters, scaled, averages, squares], learningRate, options);
    }
    const apart = group.map(({ entry }) => entry).filter((one) => one.master !== one.parameter);
    if (apart.length > 0 && master.device !== 'cpu' && hasOperator('aten::_foreach_copy_')) {
      const weights = apart.map((entry) => entry.parameter);
      call(
        'aten::_foreach_copy_',
        weights,
        apart.map((entry) => entry.master),
      );
      return;
    }
    for (const entry of apart) entry.parameter.copy_(entry.master);
  }

  /** For devices without our own kernel: operators on lists, as LibTorch's fused one is not everywhere. */
  private updateByLists(
    [masters, grads, averages, squares]: Tensor[][],
    learningRate: number,
    { betas: [beta1, beta2], eps, weightDecay }: Required<AdamWOptions>,
  ): void {
    const correction1 = 1 - beta1 ** this.stepCount;
    const correction2 = Math.sqrt(1 - beta2 ** this.stepCount);
    call('aten::_foreach_mul_.Scalar', masters, 1 - learningRate * weightDecay);
    call('aten::_foreach_mul_.Scalar', averages, beta1);
    call('aten::_foreach_add_.List', averages, grads, 1 - beta1);
    call('aten::_foreach_mul_.Scalar', squares, beta2);
    call('aten::_foreach_addcmul_.Scalar', squares, grads, grads, 1 - beta2);
    const divisors = call<Tensor[]>('aten::_foreach_sqrt', squares);
    call('aten::_foreach_div_.Scalar', divisors, correction2);
    call('aten::_foreach_add_.Scalar', divisors, eps);
    call(
      'aten::_foreach_addcdiv_.Scalar',
      masters,
      averages,
      divisors,
      -learningRate / correction1,
    );
  }
}

interface Work {
  entry: Entry;
  grad: Tensor;
}

function newEntry(name: string, parameter: Tensor, options: Required<AdamWOptions>): Entry {
  const { shape, device } = parameter;
  const state = () => zeros(shape, { dtype: 'float32', device }).keep();
  const isMaster = parameter.dtype === 'float32';
  const master = isMaster ? parameter : parameter.detach().to('float32').keep();
  return { name, parameter, master, average: state(), squareAverage: state(), options };
}

/**
 * Restores the float32 weights behind a parameter: those of the state or, where it was stored when the
 * parameter itself was float32 and had none, the parameter's.
 */
export function restoreMaster(
  { name, parameter, master }: Pick<Entry, 'name' | 'parameter' | 'master'>,
  state: Readonly<Record<string, Tensor>>,
): void {
  master.copy_(state[`master.${name}`] ?? parameter);
  if (master !== parameter) parameter.copy_(master);
}

/** Parameters that one call can update: same options, dtype and device. */
function groupsOf(work: Work[]): Work[][] {
  const groups = new Map<string, Work[]>();
  for (const item of work) {
    const { options, parameter } = item.entry;
    const key = JSON.stringify([options, parameter.dtype, parameter.device]);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}
