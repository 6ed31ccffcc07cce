/** The global norm of gradients, and the factor that clips it to a limit. */
import { call, noGrad, type Tensor, tidy } from '../tensor/index.js';

/** Euclidean norm over all gradients together, accumulated in float32; 0 if there are none. */
export function globalGradNorm(grads: readonly Tensor[]): number {
  if (grads.length === 0) return 0;
  return noGrad(() => tidy(() => call<Tensor>('mfm::grad_norm', grads).item()));
}

/** The factor that clips gradients of the given global norm to `maxNorm`; 1 if within it. */
export function clipFactor(gradNorm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (gradNorm + 1e-6)); // 1e-6: as torch.nn.utils.clip_grad_norm_
}
