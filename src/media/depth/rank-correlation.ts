/** Spearman's rank correlation of series of numbers. */

/** The most values that are ranked; of more, every n-th is used. */
const MOST_VALUES = 2 ** 18;

/**
 * Correlation of the ranks of `a` and `b`, -1..1, in which equal values share the mean of their ranks;
 * null if one of the two is constant, or has fewer than two values.
 *
 * Source: Spearman 1904, "The proof and measurement of association between two things". Equals
 *   scipy.stats.spearmanr
 */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  return correlation(ranks(strided(a)), ranks(strided(b)));
}

/**
 * Correlation of the ranks of `a` and `b` beyond what both owe to `known`, -1..1: how well one predicts
 * the other among values whose `known` is the same. null if one of the three is constant, or if
 * `known` explains one of the other two entirely.
 *
 * Source: Yule 1907, partial correlation, of ranks. Equals pingouin.partial_corr(method='spearman')
 */
export function partialRankCorrelation(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  known: ArrayLike<number>,
): number | null {
  const [x, y, z] = [a, b, known].map((values) => ranks(strided(values)));
  const [xy, xz, yz] = [correlation(x!, y!), correlation(x!, z!), correlation(y!, z!)];
  if (xy === null || xz === null || yz === null) return null;
  const left = (1 - xz * xz) * (1 - yz * yz);
  // rounding leaves a little where nothing is left
  return left > 1e-12 ? (xy - xz * yz) / Math.sqrt(left) : null;
}

/** Every n-th value, with the smallest n that leaves at most `MOST_VALUES`. */
function strided(values: ArrayLike<number>): Float64Array {
  const stride = Math.max(1, Math.ceil(values.length / MOST_VALUES));
  const kept = new Float64Array(Math.ceil(values.length / stride));
  for (let i = 0; i < kept.length; i++) kept[i] = values[i * stride]!;
  return kept;
}

/** Ranks from 0; equal values get the mean of the ranks that they span. */
function ranks(values: Float64Array): Float64Array {
  const sorted = values.slice().sort();
  return values.map((value) => {
    const first = firstNotBelow(sorted, value);
    let last = first;
    // a run of equal values may be long, so its end is found as its beginning is
    if (sorted[first + 1] === value) last = firstAbove(sorted, value) - 1;
    return (first + last) / 2;
  });
}

const firstNotBelow = (sorted: Float64Array, value: number): number =>
  boundary(sorted, (at) => at < value);
const firstAbove = (sorted: Float64Array, value: number): number =>
  boundary(sorted, (at) => at <= value);

/** The number of values, from the least on, that are `before`. */
function boundary(sorted: Float64Array, before: (value: number) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(sorted[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Pearson's correlation; null if one of the two is constant. */
function correlation(a: Float64Array, b: Float64Array): number | null {
  const [meanA, meanB] = [a, b].map((x) => x.reduce((sum, v) => sum + v, 0) / x.length);
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [da, db] = [a[i]! - meanA!, b[i]! - meanB!];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : null;
}
