/** Relative positions as T5 sees them: in buckets that widen with the distance. */
import { ops, type Tensor } from '../../tensor/index.js';

/** How relative positions are sorted into buckets. */
export interface BucketOptions {
  numBuckets: number;
  maxDistance: number;
}

/**
 * The bucket of every relative position (key index − query index), for an encoder that looks both
 * ways. One half of the buckets is for keys behind the query; within a half the first half of the
 * buckets hold one distance each, the rest grow logarithmically up to `maxDistance`.
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
  // in float32 and by LibTorch, as in the reference: a bucket's edge may hang on the rounding
  const logarithmic = distance
    .to('float32')
    .div(exact)
    .log()
    .div(Math.log(maxDistance / exact))
    .mul(half - exact);
  // distance 0 gives −∞, which no integer holds; it is in an exact bucket anyway
  const far = logarithmic
    .clamp(0)
    .to('int64')
    .add(exact)
    .clamp(null, half - 1);
  return side.add(ops.where(distance.lt(exact), distance, far));
}
