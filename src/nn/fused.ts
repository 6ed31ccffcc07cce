/**
 * The pieces between the matrix products, each a function so that a fused kernel can take its
 * place. Whatever the dtype of the hidden states, they compute in float32 and round once at the end.
 */
import { ops, type Tensor } from '../tensor/index.js';

/** A norm over the last dimension: layer norm has no weight here, RMS norm has one. */
export interface NormSpec {
  kind: 'layer' | 'rms';
  weight: Tensor | null;
  eps: number;
}

/** x / rms(x) · weight over the last dimension. Source: Zhang & Sennrich 2019, arXiv 1910.07467 */
export function rmsNorm(x: Tensor, weight: Tensor | null, eps: number): Tensor {
  return rmsNorm32(x, weight, eps).to(x.dtype);
}

/**
 * norm(x) · (1 + scale) + shift, the modulation of an adaptive norm.
 *
 * @param x             [B, L, D]
 * @param shift, scale  [B, 1, D]
 */
export function modulate(x: Tensor, norm: NormSpec, shift: Tensor, scale: Tensor): Tensor {
  const normed = norm32(x, norm);
  return shift.to('float32').addcmul(normed, scale.to('float32').add(1)).to(x.dtype);
}

/** x + gate · y. x, y [B, L, D]; gate [B, 1, D] */
export function gatedAdd(x: Tensor, gate: Tensor, y: Tensor): Tensor {
  if (x.dtype === 'float32') return x.addcmul(gate.to('float32'), y);
  // x is added in its own dtype, as the reference does
  return x.add(y.to('float32').mul(gate.to('float32')).to(x.dtype));
}

/** 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))). Source: Hendrycks & Gimpel, arXiv 1606.08415 */
export function geluTanh(x: Tensor): Tensor {
  return x.gelu({ approximate: 'tanh' });
}

/** Rotary angles of every token, float32, ready to be broadcast over heads. */
export interface RopeTable {
  /** [B|1, L, 1, K] */
  cos: Tensor;
  /** [B|1, L, 1, K], negated at even places: the sign of the swapped partner */
  signedSin: Tensor;
}

/**
 * Splits projected queries or keys into heads: RMS norm over the whole width, then the rotary
 * embedding of each head in neighbouring pairs.
 *
 * @param x       [B, L, N * K]
 * @param rope    null leaves the rotation out
 * @returns       [B, N, L, K], a view of [B, L, N, K]
 * Source: Su et al. 2021, arXiv 2104.09864
 */
export function rmsNormRope(
  x: Tensor,
  { weight, eps }: { weight: Tensor; eps: number },
  numHeads: number,
  rope: RopeTable | null,
): Tensor {
  const [b, l, d] = x.dims(3);
  let heads = rmsNorm32(x, weight, eps).view([b, l, numHeads, d / numHeads]);
  if (rope) heads = rotate(heads, rope);
  return heads.to(x.dtype).transpose(1, 2);
}

/** x cos + rot(x) sin with rot(x) = (-x₁, x₀, -x₃, x₂, …). x [B, L, N, K] float32 */
export function rotate(x: Tensor, { cos, signedSin }: RopeTable): Tensor {
  const swapped = x
    .view([...x.shape.slice(0, -1), x.size(-1) / 2, 2])
    .flip([-1])
    .flatten(-2);
  return x.mul(cos).addcmul(swapped, signedSin);
}

function norm32(x: Tensor, { kind, weight, eps }: NormSpec): Tensor {
  if (kind === 'rms') return rmsNorm32(x, weight, eps);
  return ops.layerNorm(x.to('float32'), [x.size(-1)], weight?.to('float32'), null, eps);
}

function rmsNorm32(x: Tensor, weight: Tensor | null, eps: number): Tensor {
  const x32 = x.to('float32');
  const scale = x32.square().mean([-1], true).add(eps).rsqrt(); // [..., 1]
  const normed = x32.mul(scale);
  return weight ? normed.mul(weight.to('float32')) : normed;
}
