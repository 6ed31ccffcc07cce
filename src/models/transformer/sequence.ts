/**
 * Several processes that share the tokens of each sample, as the network sees them. Everything but
 * self-attention works on a token at a time, so each process runs it on its own part of the tokens.
 */
import type { Tensor } from '../../tensor/index.js';

export interface Sequence {
  /** How `tokens` of a sample are parted. */
  parts(tokens: number): TokenParts;
}

export interface TokenParts {
  /** [B, L, …] → this process's tokens */
  split(whole: Tensor): Tensor;
  /** this process's tokens [B, l, C] → [B, L, C] */
  join(part: Tensor): Tensor;
  /**
   * Attention between the tokens of all processes.
   *
   * @param q, k, v   [B, N, l, K], of this process's tokens
   * @param attend    attention of some heads over all tokens, [B, N', L, K] each
   * @returns         [B, N, l, K]
   */
  attention(q: Tensor, k: Tensor, v: Tensor, attend: Attend): Tensor;
}

export type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;
