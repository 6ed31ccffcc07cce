/**
 * Low-rank adaptation: a linear layer keeps its weight W and learns a change of low rank,
 * y = x Wᵀ + b + (alpha / rank) · (x Aᵀ) Bᵀ.
 *
 * Source: Hu et al. 2021, arXiv 2106.09685; initial values and names as in PEFT
 */
import { InputError } from '../errors.js';
import { type DType, empty, Generator, noGrad, type Tensor, tidy } from '../tensor/index.js';
import { allFinite } from './finite.js';
import { withParameters } from './init.js';
import { Linear } from './layers.js';
import type { LoraConfig } from './lora-config.js';
import { Module } from './module.js';
import { choose, endsWithName } from './patterns.js';

/** The change of one linear layer: W + (alpha / rank) · B A. */
export interface LowRankChange {
  /** [rank, in] */
  a: Tensor;
  /** [out, rank] */
  b: Tensor;
  alpha: number;
}

/** The contents of a LoRA file: changes, by the names of the linear layers that they apply to. */
export type LoraWeights = ReadonlyMap<string, LowRankChange>;

/** The low-rank layers added to a network. They are children of this module, not of the network. */
export class LoraLayers extends Module {
  constructor(private readonly layers: ReadonlyMap<string, LowRank>) {
    super();
    for (const [name, layer] of layers) this.child(name, layer);
  }

  /** The names of the linear layers that have a low-rank layer. */
  get targets(): string[] {
    return [...this.layers.keys()];
  }

  /**
   * The weights, as a LoRA file stores them.
   * @param values   to use in place of the parameters, e.g. their float32 master copies or averages
   */
  weights(values: ReadonlyMap<string, Tensor> = this.namedParameters()): LoraWeights {
    return new Map(
      [...this.layers].map(([name, { alpha }]) => {
        const value = (which: string) => values.get(`${name}.lora_${which}.weight`)!.detach();
        return [name, { a: value('A'), b: value('B'), alpha }];
      }),
    );
  }

  /**
   * Loads the weights of a file, to continue training from them.
   * @throws InputError listing what is missing, unexpected or misshapen, or if an alpha differs
   */
  load(weights: LoraWeights, where: string): void {
    const other = [...weights].find(([name, { alpha }]) => {
      const layer = this.layers.get(name);
      return layer && layer.alpha !== alpha;
    });
    if (other) {
      const [name, { alpha }] = other;
      throw new InputError(
        `${where}: the alpha of ${name} must be the configured ${this.layers.get(name)!.alpha}, got ${alpha}; configure that value instead`,
      );
    }
    const tensors = [...weights].flatMap(([name, { a, b }]): [string, Tensor][] => [
      [`${name}.lora_A.weight`, a],
      [`${name}.lora_B.weight`, b],
    ]);
    const [first] = this.parameters();
    this.loadStateDict(new Map(tensors), { where, dtype: first?.dtype });
  }

  /** Detaches the layers from the network, which is then as it was before, and frees them. */
  override dispose(): void {
    for (const layer of this.layers.values()) layer.detach();
    super.dispose();
  }
}

/** (alpha / rank) · (x Aᵀ) Bᵀ, attached to a linear layer. */
class LowRank extends Module {
  private readonly down: Linear;
  private readonly up: Linear;

  constructor(
    readonly base: Linear,
    readonly rank: number,
    readonly alpha: number,
  ) {
    super();
    const { inFeatures, outFeatures } = base;
    const { dtype, device } = base.weight;
    const linear = (from: number, to: number) =>
      withParameters({ dtype, device, init: 'empty' }, () => new Linear(from, to, { bias: false }));
    this.down = this.child('lora_A', linear(inFeatures, rank));
    this.up = this.child('lora_B', linear(rank, outFeatures));
    base.addition = this;
  }

  /** A is drawn uniformly, like a linear layer's weight; B is zero, so at first nothing changes. */
  initialise(generator: Generator): void {
    const bound = 1 / Math.sqrt(this.base.inFeatures);
    noGrad(() =>
      tidy(() => {
        // drawn in float32 on the CPU, so that a seed gives the same values on every device
        this.down.weight.copy_(
          empty(this.down.weight.shape).uniform_(-bound, bound, { generator }),
        );
        this.up.weight.zero_();
      }),
    );
  }

  /** [..., in] → [..., out] */
  forward(x: Tensor): Tensor {
    return this.up.forward(this.down.forward(x).mul(this.alpha / this.rank));
  }

  detach(): void {
    if (this.base.addition === this) this.base.addition = null;
  }
}

/**
 * Adds low-rank layers to the linear layers named by `targets`, in the dtype and on the device of
 * their weights, and freezes everything else. The same seed gives the same values.
 *
 * @returns the layers; their `namedParameters`, such as `….q_proj.lora_A.weight`, are to be trained
 * @throws InputError naming a target that matches no linear layer
 */
export function addLora(
  model: Module,
  { rank, alpha, targets }: LoraConfig,
  seed: number,
): LoraLayers {
  const linears = linearsOf(model);
  const taken = [...linears].find(([, linear]) => linear.addition !== null);
  if (taken) throw new InputError(`addLora: ${taken[0]} has a low-rank layer; merge it first`);
  const names = choose([...linears.keys()], targets, {
    where: 'lora.targets',
    kind: 'linear layer',
    plain: endsWithName,
  });
  model.requiresGrad_(false);
  const generator = new Generator(seed);
  const layers = [...names].map((name) => {
    const layer = new LowRank(linears.get(name)!, rank, alpha);
    layer.initialise(generator);
    return [name, layer] as const;
  });
  return new LoraLayers(new Map(layers));
}

/** Adds every layer's change to the weight that it adapts, and removes the layers. */
export function mergeLora(model: Module, layers: LoraLayers): void {
  applyLora(model, [{ weights: layers.weights() }]);
  layers.dispose();
}

/** Changes and the factor they are multiplied by; default 1. */
export interface ScaledLora {
  weights: LoraWeights;
  scale?: number;
}

/**
 * Adds changes to the weights of a network, one weight after the other. The results are new
 * tensors, so memory-mapped files stay unchanged.
 *
 * @param loras   for this network's layers, as `readLora` checks
 * @param dtype   of the changed weights; default: unchanged
 */
export function applyLora(model: Module, loras: readonly ScaledLora[], dtype?: DType): void {
  const linears = linearsOf(model);
  for (const name of new Set(loras.flatMap(({ weights }) => [...weights.keys()]))) {
    const linear = linears.get(name)!;
    const old = linear.weight;
    linear.weight = changedWeight(name, old, loras, dtype).keep().requiresGrad_(old.requiresGrad);
    old.dispose();
  }
}

/**
 * W + Σ scale · (alpha / rank) · B A, [out, in]: computed in float32 and rounded once.
 * @param name   the linear layer that the weight belongs to
 * @throws InputError if the sum is out of range for the dtype
 */
export function changedWeight(
  name: string,
  weight: Tensor,
  loras: readonly ScaledLora[],
  dtype: DType = weight.dtype,
): Tensor {
  return noGrad(() =>
    tidy(() => {
      const tooLarge = () =>
        new InputError(
          `\`loras\`: adding it takes ${name}.weight out of the range of ${dtype}; use a smaller scale`,
        );
      let changed = weight.detach().to('float32');
      for (const { weights, scale = 1 } of loras) {
        const change = weights.get(name);
        if (!change) continue;
        const { a, b, alpha } = change;
        const [up, down] = [b, a].map((part) => part.to('float32').to(weight.device));
        const factor = (scale * alpha) / a.size(0);
        if (!Number.isFinite(Math.fround(factor))) throw tooLarge();
        changed = changed.addmm(up!, down!, { alpha: factor });
      }
      const result = changed.to(dtype);
      // weights that were non-finite before are reported by the caller, which knows their file
      if (!allFinite(result) && allFinite(weight)) throw tooLarge();
      return result;
    }),
  );
}

/** All linear layers of a network by name. */
export function linearsOf(model: Module): Map<string, Linear> {
  const all = [...model.namedModules()];
  return new Map(all.filter((entry): entry is [string, Linear] => entry[1] instanceof Linear));
}
