/** T5's relative positions: buckets that widen with the distance. */
import { ops, type Tensor } from '../../tensor/index.js';

/** How relative positions are divided into buckets. */
export interface BucketOptions {
  numBuckets: number;
  maxDistance: number;
}

/**
 * The bucket of every relative position (key index − query index), for a bidirectional encoder.
 * Half of the buckets are for keys after the query. Within each half, the first half of the buckets
 * hold one distance each; the others widen logarithmically up to `maxDistance`.
 *
 * @param relative int64, any shape
 * @returns        int64, the same shape
 * Source: Raffel et al. 2020, T5, arXiv 1910.10683
 */
export function relativePositionBucket(
  relative: Tensor,
  { numBuckets, maxDistance }: BucketOptions,
): Tensor {
  const half = numBuckets / 2;
  const exact = Math.floor(half / 2);
  const side = relative.gt(0).to('int64').mul(half);
  const distance = relative.abs();
  // in float32 and by LibTorch, as in the reference: rounding can decide at a bucket's edge
  const logarithmic = distance
    .to('float32')
    .div(exact)
    .log()
    .div(Math.log(maxDistance / exact))
    .mul(half - exact);
  // distance 0 gives −∞, which has no integer value; it belongs to an exact bucket anyway
  const far = logarithmic
    .clamp(0)
    .to('int64')
    .add(exact)
    .clamp(null, half - 1);
  return side.add(ops.where(distance.lt(exact), distance, far));
}
