/** Steps along the flow, and classifier-free guidance. */
import type { Tensor } from '../tensor/index.js';
import { expectSameShape } from './shapes.js';

/** One step's noise levels; 1 is pure noise. */
export interface SigmaStep {
  from: number;
  to: number;
}

/**
 * Moves `latents` one Euler step along the flow.
 *
 * @param latents    [B, C, F, H, W]
 * @param velocity   [B, C, F, H, W], the model's output
 * @param sigmas     noise level now (`from`) and after the step (`to`, smaller)
 * @returns          [B, C, F, H, W] in float32, whatever the model's dtype
 * @throws ShapeError if the two tensors differ in shape
 * Source: Liu et al. 2022, rectified flow, arXiv 2209.03003
 */
export function eulerStep(latents: Tensor, velocity: Tensor, sigmas: SigmaStep): Tensor {
  expectSameShape('eulerStep', { latents, velocity });
  // float32: in bfloat16 the small steps near sigma 0 round to nothing
  return latents.to('float32').add(velocity.to('float32'), { alpha: sigmas.to - sigmas.from });
}

/**
 * Classifier-free guidance: unconditional + scale · (conditional - unconditional), in float32.
 *
 * Source: Ho & Salimans 2022, arXiv 2207.12598
 */
export function guide(unconditional: Tensor, conditional: Tensor, guidanceScale: number): Tensor {
  expectSameShape('guide', { unconditional, conditional });
  const base = unconditional.to('float32');
  return base.add(conditional.to('float32').sub(base), { alpha: guidanceScale });
}

/** Guidance for a batch of all unconditional items, then all conditional ones. [2 B, …] → [B, …] */
export function guideBatch(prediction: Tensor, guidanceScale: number): Tensor {
  const [unconditional, conditional] = prediction.chunk(2, 0);
  return guide(unconditional, conditional, guidanceScale);
}
