/** The global norm of gradients, and the factor that brings it under a limit. */
import { call, noGrad, type Tensor, tidy } from '../tensor/index.js';

/** Euclidean norm over all gradients together, summed in float32; 0 without any. */
export function globalGradNorm(grads: readonly Tensor[]): number {
  if (grads.length === 0) return 0;
  return noGrad(() => tidy(() => call<Tensor>('mfm::grad_norm', grads).item()));
}

/** What to multiply gradients of a global norm with; 1 if it is within the limit. */
export function clipFactor(gradNorm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (gradNorm + 1e-6)); // 1e-6: as torch.nn.utils.clip_grad_norm_
}
