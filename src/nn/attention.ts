/** Scaled dot-product attention: the only place where scores are computed. */
import { call, type Tensor } from '../tensor/index.js';

export interface AttentionOptions {
  /** added to the scores, [B|1, 1, 1, S]; receives no gradient */
  mask?: Tensor | null;
  /** multiplies the scores; default 1/√K */
  scale?: number;
}

/**
 * softmax(q kᵀ · scale + mask) v, without ever holding all scores, forward or backward: one
 * operator of the addon, see native/src/kernels/attention.cpp. Inputs may be strided views.
 *
 * @param q      [B, N, L, K]
 * @param k, v   [B, N, S, K]
 * @returns      [B, N, L, K], laid out so that `transpose(1, 2).reshape([B, L, N * K])` is free
 * Source: Vaswani et al. 2017, arXiv 1706.03762
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { mask = null, scale = 1 / Math.sqrt(q.size(-1)) } = options;
  return call('mfm::attention', q, k, v, mask, scale);
}
