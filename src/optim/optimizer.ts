/** The optimizer of a training run: AdamW, or Muon for some matrices and AdamW for the rest. */
import type { Tensor } from '../tensor/index.js';
import {
  AdamW,
  type AdamWOptions,
  type GivenGradients,
  type StepOptions,
  type StepResult,
} from './adamw.js';
import { globalGradNorm } from './clip.js';
import { Muon, type MuonOptions } from './muon.js';

/** What AdamW, Muon and both together have in common; see `AdamW`. */
export type Optimizer = Pick<
  AdamW,
  'masterWeights' | 'step' | 'zeroGrad' | 'stateDict' | 'loadStateDict' | 'dispose'
>;

export interface OptimizerPlan extends Omit<AdamWOptions, 'learningRateFactor'> {
  /** factors of AdamW's learning rate, by parameter; default: 1 */
  learningRateFactors?: ReadonlyMap<string, number>;
  /** the matrices that Muon updates, by name, and how; default: none */
  muon?: (MuonOptions & { names: ReadonlySet<string> }) | null;
}

/** @param parameters   by name; names of the plan that are not among them are ignored */
export function createOptimizer(
  parameters: ReadonlyMap<string, Tensor>,
  { learningRateFactors, muon, ...options }: OptimizerPlan,
): Optimizer {
  const { names = new Set<string>(), ...muonOptions } = muon ?? {};
  const byFactor = new Map<number, Map<string, Tensor>>();
  for (const [name, parameter] of parameters) {
    if (names.has(name)) continue;
    const factor = learningRateFactors?.get(name) ?? 1;
    if (!byFactor.has(factor)) byFactor.set(factor, new Map());
    byFactor.get(factor)!.set(name, parameter);
  }
  const adam = new AdamW(
    [...byFactor].map(([learningRateFactor, group]) => ({ parameters: group, learningRateFactor })),
    options,
  );
  const matrices = new Map([...parameters].filter(([name]) => names.has(name)));
  if (matrices.size === 0) return adam;
  const { weightDecay } = options;
  return new Both(parameters, adam, new Muon(matrices, { weightDecay, ...muonOptions }));
}

/** AdamW and Muon as one optimizer: gradients are clipped, and steps skipped, by the norm of all. */
class Both implements Optimizer {
  constructor(
    private readonly parameters: ReadonlyMap<string, Tensor>,
    private readonly adam: AdamW,
    private readonly muon: Muon,
  ) {}

  masterWeights(): Map<string, Tensor> {
    const masters = new Map([...this.adam.masterWeights(), ...this.muon.masterWeights()]);
    return new Map([...this.parameters.keys()].map((name) => [name, masters.get(name)!]));
  }

  step(options: StepOptions, given: GivenGradients = this.gradients()): StepResult {
    this.muon.step(options, given);
    return this.adam.step(options, given);
  }

  zeroGrad(): void {
    for (const parameter of this.parameters.values()) parameter.grad = null;
  }

  stateDict(): Record<string, Tensor> {
    return { ...this.muon.stateDict(), ...this.adam.stateDict() };
  }

  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    this.muon.loadStateDict(state);
    this.adam.loadStateDict(state);
  }

  dispose(): void {
    this.muon.dispose();
    this.adam.dispose();
  }

  private gradients(): GivenGradients {
    const gradients = new Map<string, Tensor>();
    for (const [name, { grad }] of this.parameters) if (grad) gradients.set(name, grad);
    return { gradients, gradNorm: globalGradNorm([...gradients.values()]) };
  }
}
