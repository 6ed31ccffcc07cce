/**
 * Muon: momentum whose matrices are made orthogonal, for the hidden matrices of a network. State and
 * master weights are in float32.
 *
 * Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; weight decay and the scale
 * `matchAdamW`: Liu et al. 2025, arXiv 2502.16982
 */
import { InputError } from '../errors.js';
import { noGrad, type Tensor, tidy, zeros } from '../tensor/index.js';
import { type GivenGradients, restoreMaster, type StepOptions } from './adamw.js';
import { clipFactor } from './clip.js';
import { NEWTON_SCHULZ_STEPS } from './muon-cost.js';

export interface MuonOptions {
  /** decay of the momentum, 0..1, without 1 */
  momentum?: number;
  /** as that of AdamW */
  weightDecay?: number;
  /**
   * size of an update of a matrix [rows, columns]: `original` √max(1, rows / columns), or
   * `matchAdamW` 0.2 √max(rows, columns), with which AdamW's learning rates fit
   */
  scale?: 'original' | 'matchAdamW';
  /** factor of the learning rate */
  learningRateFactor?: number;
}

interface Entry {
  name: string;
  parameter: Tensor;
  /** float32; the parameter itself if that is float32 */
  master: Tensor;
  momentum: Tensor;
}

export class Muon {
  private readonly entries: Entry[];
  private readonly options: Required<MuonOptions>;

  /**
   * @param parameters   matrices by name
   * @throws InputError naming a parameter that is not a matrix
   */
  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    {
      momentum = 0.95,
      weightDecay = 0.01,
      scale = 'matchAdamW',
      learningRateFactor = 1,
    }: MuonOptions = {},
  ) {
    this.options = { momentum, weightDecay, scale, learningRateFactor };
    for (const [name, { shape }] of parameters) {
      if (shape.length === 2) continue;
      throw new InputError(`Muon: ${name} must be a matrix, got [${shape.join(', ')}]`);
    }
    this.entries = noGrad(() =>
      [...parameters].map(([name, parameter]) => {
        const { shape, device, dtype } = parameter;
        const master = dtype === 'float32' ? parameter : parameter.detach().to('float32').keep();
        return { name, parameter, master, momentum: zeros(shape, { device }).keep() };
      }),
    );
  }

  /** The float32 weights behind the parameters. */
  masterWeights(): Map<string, Tensor> {
    return new Map(this.entries.map(({ name, master }) => [name, master]));
  }

  /** Updates every matrix that has a gradient; see `AdamW.step`. */
  step(
    { learningRate, clipGradNorm = null, gradScale = 1, skipAbove = null }: StepOptions,
    { gradients, gradNorm: norm }: GivenGradients,
  ): void {
    const gradNorm = norm * gradScale;
    if (!Number.isFinite(gradNorm) || gradNorm > (skipAbove ?? Infinity)) return;
    const factor = gradScale * (clipGradNorm === null ? 1 : clipFactor(gradNorm, clipGradNorm));
    noGrad(() => {
      for (const entry of this.entries) {
        const gradient = gradients.get(entry.name);
        if (gradient) tidy(() => this.update(entry, gradient, learningRate, factor));
      }
    });
  }

  /** `momentum.*` and, for parameters that are not float32, `master.*`, by parameter; live tensors. */
  stateDict(): Record<string, Tensor> {
    const state: Record<string, Tensor> = {};
    for (const { name, parameter, master, momentum } of this.entries) {
      state[`momentum.${name}`] = momentum;
      if (master !== parameter) state[`master.${name}`] = master;
    }
    return state;
  }

  /** @throws InputError naming a tensor that is missing */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    const get = (key: string) => {
      const found = state[key];
      if (found) return found;
      throw new InputError(
        `Muon.loadStateDict: the state must contain ${key}, but does not; a run keeps the optimizer that it began with`,
      );
    };
    noGrad(() => {
      for (const { name, parameter, master, momentum } of this.entries) {
        momentum.copy_(get(`momentum.${name}`));
        restoreMaster({ name, parameter, master }, state);
      }
    });
  }

  /** Frees the state; the parameters stay. */
  dispose(): void {
    for (const { parameter, master, momentum } of this.entries.splice(0)) {
      momentum.dispose();
      if (master !== parameter) master.dispose();
    }
  }

  private update(
    { parameter, master, momentum }: Entry,
    gradient: Tensor,
    learningRate: number,
    factor: number,
  ): void {
    const { momentum: beta, weightDecay, scale, learningRateFactor } = this.options;
    const [rows, columns] = master.dims(2);
    const size =
      scale === 'original'
        ? Math.sqrt(Math.max(1, rows / columns))
        : 0.2 * Math.sqrt(Math.max(rows, columns));
    const rate = learningRate * learningRateFactor;
    const scaled = gradient.to('float32').mul(factor);
    momentum.lerp_(scaled, 1 - beta);
    const ahead = scaled.lerp(momentum, beta); // Nesterov's momentum
    const direction = orthogonalised(ahead, parameter.dtype === 'float32' ? 'float32' : 'bfloat16');
    master.mul_(1 - rate * weightDecay).sub_(direction.mul(rate * size));
    if (master !== parameter) parameter.copy_(master);
  }
}

/** Coefficients of the iteration's polynomial. Source: Jordan et al. */
const COEFFICIENTS = [3.4445, -4.775, 2.0315] as const;
/** Keeps a matrix of zeros from being divided by zero. Source: Jordan et al. */
const TINY = 1e-7;

/**
 * A matrix with the singular vectors of x and singular values near 1 (0.7 to 1.2), by a Newton-Schulz
 * iteration. [rows, columns] → the same, in float32
 *
 * @param dtype   of the products
 */
export function orthogonalised(x: Tensor, dtype: 'float32' | 'bfloat16'): Tensor {
  const [a, b, c] = COEFFICIENTS;
  const [rows, columns] = x.dims(2);
  const isTall = rows > columns;
  let y = (isTall ? x.transpose(0, 1) : x).to('float32');
  y = y.div(y.square().sum().sqrt().add(TINY)).to(dtype);
  for (let i = 0; i < NEWTON_SCHULZ_STEPS; i++) {
    const before = y;
    y = tidy(() => {
      const gram = before.matmul(before.transpose(0, 1)); // the smaller side, squared
      const polynomial = gram.mul(b).add(gram.matmul(gram).mul(c));
      return before.mul(a).add(polynomial.matmul(before));
    });
  }
  return (isTall ? y.transpose(0, 1) : y).to('float32');
}
