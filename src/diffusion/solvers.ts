/**
 * ODE solvers for sampling. Each evaluates the model once per step; second-order solvers also use
 * the previous step, and need about half as many steps for the same error.
 *
 * In the flow x = (1 - sigma) x0 + sigma e, the clean latents are x - sigma v, the signal level is
 * alpha = 1 - sigma, and lambda = log(alpha / sigma) is the variable in which the solvers
 * integrate.
 */
import type { Tensor } from '../tensor/index.js';
import { eulerStep, type SigmaStep } from './sampling.js';

export const SOLVERS = ['euler', 'dpm++', 'unipc'] as const;
export type SolverName = (typeof SOLVERS)[number];

/** The solver of one sampling run: call `step` once for each step, in order. */
export interface Solver {
  /**
   * Latents, and the model's velocity at them, [B, C, F, H, W] → latents after the step, float32.
   * The solver keeps tensors of previous steps until `dispose`.
   */
  step(latents: Tensor, velocity: Tensor, sigmas: SigmaStep): Tensor;
  dispose(): void;
}

export function solverOf(name: SolverName): Solver {
  if (name === 'euler') return { step: eulerStep, dispose: () => {} };
  return new SecondOrder(name === 'unipc');
}

/** A step's values that the next step uses. */
interface Past {
  /** the clean latents predicted at the start of the step */
  clean: Tensor;
  /** latents before the step */
  latents: Tensor;
  sigmas: SigmaStep;
  /** the clean latents of the step before it; null after the first step */
  before: { clean: Tensor; from: number } | null;
}

/**
 * Extrapolates the clean latents of two steps. With `corrects`, each new velocity is first used to
 * correct the step that led to it.
 *
 * Source: Lu et al. 2022, DPM-Solver++ (2M), arXiv 2211.01095; Zhao et al. 2023, UniPC (B2),
 * arXiv 2302.04867
 */
class SecondOrder implements Solver {
  private past: Past | null = null;

  constructor(private readonly corrects: boolean) {}

  step(latents: Tensor, velocity: Tensor, sigmas: SigmaStep): Tensor {
    const at = latents.to('float32');
    const clean = at.sub(velocity.to('float32'), { alpha: sigmas.from });
    const { past } = this;
    const start = past && this.corrects ? corrected(past, clean) : at;
    const next = predicted(start, clean, past, sigmas);

    const kept = past && { clean: past.clean, from: past.sigmas.from };
    past?.latents.dispose();
    past?.before?.clean.dispose();
    this.past = { clean: clean.keep(), latents: start.clone().keep(), sigmas, before: kept };
    return next;
  }

  dispose(): void {
    for (const tensor of [this.past?.clean, this.past?.latents, this.past?.before?.clean]) {
      tensor?.dispose();
    }
    this.past = null;
  }
}

/** log(alpha / sigma): -∞ for pure noise, ∞ for clean latents. */
const lambda = (sigma: number): number => Math.log((1 - sigma) / sigma);

/** Steps longer than the previous one by more than this factor are not extrapolated. Measured */
const MOST_EXTRAPOLATION = 2.5;

/** The latents at `to`, from the clean latents at this step and, if any, at the previous one. */
function predicted(latents: Tensor, clean: Tensor, past: Past | null, sigmas: SigmaStep): Tensor {
  const { from, to } = sigmas;
  const h = lambda(to) - lambda(from);
  const first = firstOrder(latents, clean, sigmas);
  // the last step goes to sigma 0, where the result is the model's prediction itself
  if (!past || to === 0) return first;
  const hBefore = lambda(from) - lambda(past.sigmas.from);
  if (h > MOST_EXTRAPOLATION * hBefore) return first;
  const slope = clean.sub(past.clean).mul(h / hBefore);
  return first.sub(slope, { alpha: (1 - to) * Math.expm1(-h) * 0.5 });
}

/** The previous step, repeated now that the clean latents at its end are known. */
function corrected({ clean, latents, sigmas, before }: Past, cleanHere: Tensor): Tensor {
  const { from, to } = sigmas;
  const h = lambda(to) - lambda(from);
  const first = firstOrder(latents, clean, sigmas);
  const factor = -(1 - to) * Math.expm1(-h);
  const change = cleanHere.sub(clean);
  if (!Number.isFinite(h)) return first.add(change, { alpha: factor * 0.5 });
  const phi1 = Math.expm1(-h) / -h - 1;
  const b1 = phi1 / Math.expm1(-h);
  if (!before) return first.add(change, { alpha: factor * 0.5 });
  const rk = (lambda(before.from) - lambda(from)) / h; // negative
  const slope = Number.isFinite(rk) ? before.clean.sub(clean).div(rk) : clean.mul(0);
  const b2 = ((phi1 / -h - 0.5) * 2) / Math.expm1(-h);
  // weights of the two slopes: [[1, 1], [rk, 1]] w = [b1, b2]
  const [w0, w1] = Number.isFinite(rk)
    ? [(b2 - b1) / (rk - 1), (rk * b1 - b2) / (rk - 1)]
    : [0, b1];
  return first.add(slope, { alpha: factor * w0 }).add(change, { alpha: factor * w1 });
}

/** sigma' / sigma · x + (alpha' - alpha sigma' / sigma) · clean: an Euler step. */
function firstOrder(latents: Tensor, clean: Tensor, { from, to }: SigmaStep): Tensor {
  const ratio = to / from;
  return latents.mul(ratio).add(clean, { alpha: 1 - to - (1 - from) * ratio });
}
