/**
 * Low-rank adaptation: a linear layer keeps its weight W and learns a change of low rank,
 * y = x Wᵀ + b + (alpha / rank) · (x Aᵀ) Bᵀ.
 *
 * Source: Hu et al. 2021, arXiv 2106.09685; initial values and names as PEFT has them
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

/** The changes of a network by the names of its linear layers: what a LoRA file holds. */
export type LoraWeights = ReadonlyMap<string, LowRankChange>;

/** The low-rank layers of a network. They are its own children, not the network's. */
export class LoraLayers extends Module {
  constructor(private readonly layers: ReadonlyMap<string, LowRank>) {
    super();
    for (const [name, layer] of layers) this.child(name, layer);
  }

  /** The names of the linear layers that have one. */
  get targets(): string[] {
    return [...this.layers.keys()];
  }

  /**
   * What a LoRA file holds.
   * @param values   in place of the parameters, e.g. their float32 masters or averages
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
   * Goes on from what a file holds.
   * @throws InputError listing what is missing, unexpected or misshapen; or if an alpha differs
   */
  load(weights: LoraWeights, where: string): void {
    const other = [...weights].find(([name, { alpha }]) => {
      const layer = this.layers.get(name);
      return layer && layer.alpha !== alpha;
    });
    if (other) {
      const [name, { alpha }] = other;
      throw new InputError(
        `${where}: the alpha of ${name} must be ${this.layers.get(name)!.alpha}, as asked for, got ${alpha}; ask for that`,
      );
    }
    const tensors = [...weights].flatMap(([name, { a, b }]): [string, Tensor][] => [
      [`${name}.lora_A.weight`, a],
      [`${name}.lora_B.weight`, b],
    ]);
    const [first] = this.parameters();
    this.loadStateDict(new Map(tensors), { where, dtype: first?.dtype });
  }

  /** Takes the layers off the network, which is as before then, and frees them. */
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

  /** A uniform as a linear layer's weight is, B zero: at first nothing changes. */
  initialise(generator: Generator): void {
    const bound = 1 / Math.sqrt(this.base.inFeatures);
    noGrad(() =>
      tidy(() => {
        // drawn in float32 on the CPU: the same seed, the same values, wherever they are
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
 * Gives the linear layers that `targets` name low-rank layers, in the dtype and on the device of
 * their weights, and freezes everything else; the same seed, the same values.
 *
 * @returns the layers; their `namedParameters` are what is trained, as `….q_proj.lora_A.weight`
 * @throws InputError naming a target that fits no linear layer
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

/** Adds the change of every layer to the weight below it, and takes the layers off. */
export function mergeLora(model: Module, layers: LoraLayers): void {
  applyLora(model, [{ weights: layers.weights() }]);
  layers.dispose();
}

/** Changes, and how much of them: 1, the default, is all. */
export interface ScaledLora {
  weights: LoraWeights;
  scale?: number;
}

/**
 * Adds changes to the weights of a network, one weight after the other: new tensors, so mapped
 * files stay as they are.
 *
 * @param loras   of this network's layers, as `readLora` checks it
 * @param dtype   of the changed weights; default: as they are
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
 * @param name   of the linear layer that has the weight
 * @throws InputError if the sum leaves the range of the dtype
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
          `\`loras\`: with it ${name}.weight leaves the range of ${dtype}; take a smaller scale`,
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
      // broken weights are told by whoever knows their file
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
