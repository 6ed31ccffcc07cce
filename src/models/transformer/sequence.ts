/**
 * Sequence parallelism as the network sees it: several processes share the tokens of each sample.
 * Everything except self-attention works on each token separately, so each process runs it on its
 * own part of the tokens.
 */
import type { Tensor } from '../../tensor/index.js';

export interface Sequence {
  /** How the `tokens` of a sample are divided among the processes. */
  parts(tokens: number): TokenParts;
}

export interface TokenParts {
  /** the number of tokens of each process */
  readonly sizes: readonly number[];
  /** [B, L, …] → this process's tokens */
  split(whole: Tensor): Tensor;
  /** this process's tokens [B, l, C] → [B, L, C] */
  join(part: Tensor): Tensor;
  /**
   * Attention over the tokens of all processes.
   *
   * @param q, k, v   [B, N, l, K], for this process's tokens
   * @param attend    computes attention of some heads over all tokens, [B, N', L, K] each
   * @returns         [B, N, l, K]
   */
  attention(q: Tensor, k: Tensor, v: Tensor, attend: Attend): Tensor;
}

export type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;
