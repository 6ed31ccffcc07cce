/** How good estimated depth is, beside known distances. */

/** Figures of one picture. */
export interface DepthAccuracy {
  /** mean of |estimated − true| / true distance, after the best scale and shift of inverse distances */
  absRel: number;
  /** Spearman's rank correlation of estimated depth and inverse distance, -1..1 */
  rank: number;
}

/**
 * Compares relative depth (larger is nearer) with distances, over the pixels nearer than `farthest`.
 * Scale and shift are those with the least squared error of the inverse distance.
 *
 * @returns null if the distances, or the estimates, have nothing to compare: all the same, or none
 * Source: Ranftl et al. 2019, arXiv 1907.01341, section 5
 */
export function depthAccuracy(
  estimated: Float32Array,
  distances: Float32Array,
  farthest: number,
): DepthAccuracy | null {
  const places: number[] = [];
  distances.forEach((distance, i) => {
    if (distance > 0 && distance < farthest) places.push(i);
  });
  const given = Float64Array.from(places, (i) => estimated[i]!);
  const inverse = Float64Array.from(places, (i) => 1 / distances[i]!);
  const rank = correlation(ranks(given), ranks(inverse));
  if (rank === null) return null;
  const { scale, shift } = bestFit(given, inverse);
  let sum = 0;
  for (let i = 0; i < given.length; i++) {
    const found = 1 / Math.max(given[i]! * scale + shift, 1 / farthest);
    sum += Math.abs(found * inverse[i]! - 1);
  }
  return { absRel: sum / given.length, rank };
}

/** The line through (x, y) with the least squared error. */
function bestFit(x: Float64Array, y: Float64Array): { scale: number; shift: number } {
  const { covariance, varianceX, meanX, meanY } = moments(x, y);
  const scale = covariance / varianceX;
  return { scale, shift: meanY - scale * meanX };
}

/** Pearson's correlation; null if one of the two does not vary. */
function correlation(x: Float64Array, y: Float64Array): number | null {
  const { covariance, varianceX, varianceY } = moments(x, y);
  return varianceX > 0 && varianceY > 0 ? covariance / Math.sqrt(varianceX * varianceY) : null;
}

function moments(x: Float64Array, y: Float64Array) {
  const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [covariance, varianceX, varianceY] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [x[i]! - meanX, y[i]! - meanY];
    covariance += a * b;
    varianceX += a * a;
    varianceY += b * b;
  }
  return { meanX, meanY, covariance, varianceX, varianceY };
}

/** The rank of each value; equal values share the mean of their ranks. */
function ranks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const result = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) result[order[i]!] = (start + end - 1) / 2;
    start = end;
  }
  return result;
}
