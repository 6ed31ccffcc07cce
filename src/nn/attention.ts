/** Scaled dot-product attention: the one place where scores are made. */
import { noGrad, ops, type Tensor, tidy } from '../tensor/index.js';

export interface AttentionOptions {
  /** added to the scores, [B|1, N|1, L|1, S] */
  mask?: Tensor | null;
  /** factor of the scores; 1/sqrt(K) when left out */
  scale?: number;
}

/** Scores of at most this many query-key pairs are made at once when no gradient is wanted. */
const CHUNK_PAIRS = 1 << 22; // 8 MB in bfloat16: stays near the cores' caches. Measured

/**
 * softmax(q kᵀ · scale + mask) v. Strided views are welcome; with no gradient wanted the scores
 * exist for a few heads and queries at a time only.
 *
 * @param q      [B, N, L, K]
 * @param k, v   [B, N, S, K]
 * @returns      [B, N, L, K], laid out so that `transpose(1, 2).reshape([B, L, N * K])` is free
 * Source: Vaswani et al. 2017, arXiv 1706.03762
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const [b, n, l, width] = q.dims(4);
  const s = k.size(2);
  const { mask = null, scale = 1 / Math.sqrt(width) } = options;
  const wantsGrad = q.requiresGrad || k.requiresGrad || v.requiresGrad || mask?.requiresGrad;
  if (wantsGrad || b * n * l * s <= CHUNK_PAIRS) return attend(q, k, v, mask, scale);

  return noGrad(() => {
    const out = ops.empty([b, l, n, width], { dtype: q.dtype, device: q.device }).transpose(1, 2);
    const heads = Math.max(1, Math.min(n, Math.floor(CHUNK_PAIRS / (l * s))));
    const queries = Math.max(1, Math.min(l, Math.floor(CHUNK_PAIRS / (heads * s))));
    for (let i = 0; i < b; i++) {
      for (let h = 0; h < n; h += heads) {
        const count = Math.min(heads, n - h);
        tidy(() => {
          const keys = k.narrow(0, i, 1).narrow(1, h, count);
          const values = v.narrow(0, i, 1).narrow(1, h, count);
          for (let from = 0; from < l; from += queries) {
            tidy(() => {
              const part = (t: Tensor) => t.narrow(2, from, Math.min(queries, l - from));
              const head = (t: Tensor) => t.narrow(0, i, 1).narrow(1, h, count);
              const chunkMask = mask && maskPart(mask, i, h, count, from, queries);
              part(head(out)).copy_(attend(part(head(q)), keys, values, chunkMask, scale));
            });
          }
        });
      }
    }
    return out;
  });
}

function attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, scale: number): Tensor {
  let scores = q.mul(scale).matmul(k.transpose(-2, -1)); // [B, N, L, S]
  if (mask) scores = scores.add(mask.to(scores.dtype));
  return scores.softmax(-1).matmul(v);
}

/** The part of a broadcastable mask that belongs to a chunk. */
function maskPart(
  mask: Tensor,
  item: number,
  head: number,
  heads: number,
  from: number,
  queries: number,
): Tensor {
  let part = mask;
  if (part.size(0) > 1) part = part.narrow(0, item, 1);
  if (part.size(1) > 1) part = part.narrow(1, head, heads);
  if (part.size(2) > 1) part = part.narrow(2, from, Math.min(queries, part.size(2) - from));
  return part;
}
