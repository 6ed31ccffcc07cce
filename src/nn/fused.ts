/**
 * Matrix products and fused operators between them. Each is one operator of the addon that computes
 * in float32, rounds once at the end, and has its own gradient; see native/src/kernels.
 */
import { call, type Tensor } from '../tensor/index.js';

/**
 * x Wᵀ + b: [..., in] → [..., out]; on any CPU it needs little memory beyond the result.
 *
 * @param weight   [out, in]
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  return call('mfm::linear', x, weight, bias);
}

/** A norm over the last dimension; layer norm has no weight here, RMS norm has one. */
export interface NormSpec {
  kind: 'layer' | 'rms';
  weight: Tensor | null;
  eps: number;
}

/**
 * x / rms(x) · weight over the last dimension. x [B, L, D]
 *
 * Source: Zhang & Sennrich 2019, arXiv 1910.07467
 */
export function rmsNorm(x: Tensor, weight: Tensor | null, eps: number): Tensor {
  return call('mfm::norm_modulate', x, weight, null, null, eps, true);
}

/**
 * norm(x) · (1 + scale) + shift, the modulation of an adaptive norm.
 *
 * @param x             [B, L, D]
 * @param shift, scale  [B, 1, D]
 */
export function modulate(x: Tensor, norm: NormSpec, shift: Tensor, scale: Tensor): Tensor {
  const { kind, weight, eps } = norm;
  return call('mfm::norm_modulate', x, weight, shift, scale, eps, kind === 'rms');
}

/** x + gate · y. x, y [B, L, D]; gate [B, 1, D] */
export function gatedAdd(x: Tensor, gate: Tensor, y: Tensor): Tensor {
  return call('mfm::gated_add', x, y, gate);
}

/** 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))). Source: Hendrycks & Gimpel, arXiv 1606.08415 */
export function geluTanh(x: Tensor): Tensor {
  return call('mfm::gelu_tanh', x);
}

/** x · sigmoid(x), in the memory format of x. Source: Elfwing et al. 2018, arXiv 1702.03118 */
export function silu(x: Tensor): Tensor {
  return call('mfm::silu', x);
}

/** Cosines and sines of every token's rotary angles, float32; channels share an angle in pairs. */
export interface RopeTable {
  /** [B|1, L, 1, K] */
  cos: Tensor;
  /** [B|1, L, 1, K], negated at even channels: the sign that the swapped partner gets */
  signedSin: Tensor;
}

/**
 * Splits projected queries or keys into heads, with an RMS norm and then the rotary embedding,
 * which rotates neighbouring channels of each head in pairs: x cos + (-x₁, x₀, -x₃, x₂, …) sin.
 *
 * @param x        [B, L, N * K]
 * @param weight   [N * K] normalises over all heads together, [K] over each head
 * @param rope     null omits the rotation
 * @returns        [B, N, L, K], a view of [B, L, N, K]
 * Source: Su et al. 2021, arXiv 2104.09864
 */
export function rmsNormRope(
  x: Tensor,
  { weight, eps }: { weight: Tensor; eps: number },
  numHeads: number,
  rope: RopeTable | null,
): Tensor {
  const [b, l, d] = x.dims(3);
  const heads = x.view([b, l, numHeads, d / numHeads]);
  return call('mfm::rms_norm_rope', heads, weight, rope?.cos, rope?.signedSin, eps);
}
