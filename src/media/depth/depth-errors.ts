/**
 * How good estimated depth is. Both maps are inverse: larger is nearer. The estimate is relative, so
 * it is aligned with the truth by a scale and a shift first. The truth is an inverse distance in any
 * unit, or a stereo disparity that is 0 at infinity; 0 or less, or a value that is not finite, marks
 * a pixel whose distance is not known, and which does not count.
 */
import { ShapeError } from '../../errors.js';
import { rankCorrelation } from './rank-correlation.js';

/** aligned = scale · estimate + shift */
export interface Alignment {
  scale: number;
  shift: number;
}

export interface DepthErrors {
  /** mean of |distance - true distance| / true distance */
  absRel: number;
  /** share of the pixels whose distance is less than 1.25 times off, either way */
  delta: number;
  /** Spearman's rank correlation of the maps before alignment; null if one of them is constant */
  rank: number | null;
  /** number of pixels with a truth */
  count: number;
}

/** From this ratio of distances on, either way, a pixel is wrong. Source: Eigen et al. 2014 */
const RATIO = 1.25;

export const isKnown = (truth: number): boolean => truth > 0 && truth < Number.POSITIVE_INFINITY;

/**
 * The scale and the shift that bring an estimate nearest to the truth, by least squares over the pixels
 * with a truth; null if there are none. A constant estimate gets scale 0. The scale is negative if
 * the estimate has near and far exchanged.
 *
 * @throws ShapeError if the two differ in length
 * Source: Ranftl et al. 2020, "Towards robust monocular depth estimation" (MiDaS), arXiv 1907.01341, the
 *   alignment of its scale- and shift-invariant loss and of its evaluation
 */
export function alignDepth(estimate: Float32Array, truth: Float32Array): Alignment | null {
  if (estimate.length !== truth.length) {
    throw new ShapeError(
      `depth: estimate and truth must be of one size, got ${estimate.length} and ${truth.length} pixels`,
    );
  }
  let [count, sumEstimate, sumTruth] = [0, 0, 0];
  for (let i = 0; i < truth.length; i++) {
    if (!isKnown(truth[i]!)) continue;
    count++;
    sumEstimate += estimate[i]!;
    sumTruth += truth[i]!;
  }
  if (count === 0) return null;
  const [meanEstimate, meanTruth] = [sumEstimate / count, sumTruth / count];
  let [variance, covariance] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    if (!isKnown(truth[i]!)) continue;
    const difference = estimate[i]! - meanEstimate;
    variance += difference * difference;
    covariance += difference * (truth[i]! - meanTruth);
  }
  // the mean of equal values is off by a rounding error at most
  const least = count * (meanEstimate * 1e-12) ** 2;
  const scale = variance > least ? covariance / variance : 0;
  return { scale, shift: meanTruth - scale * meanEstimate };
}

/**
 * The errors of one picture after alignment, or of one clip with a single alignment for all its frames;
 * null if no pixel has a truth. Nothing is taken to be farther than the farthest true point, since the
 * distance of an aligned value near 0 has no bound and that of a negative one no meaning; MiDaS limits
 * distances to the range of a data set in the same way.
 *
 * @throws ShapeError if the two differ in length
 * Source: Eigen et al. 2014, "Depth map prediction from a single image using a multi-scale deep network",
 *   arXiv 1406.2283; Ranftl et al. 2020, as `alignDepth`
 */
export function depthErrors(estimate: Float32Array, truth: Float32Array): DepthErrors | null {
  const alignment = alignDepth(estimate, truth);
  if (!alignment) return null;
  const { scale, shift } = alignment;
  const known = truth.filter(isKnown);
  const estimates = estimate.filter((_, i) => isKnown(truth[i]!));
  const farthest = known.reduce((least, value) => Math.min(least, value), Infinity);
  let [sum, right] = [0, 0];
  known.forEach((inverse, i) => {
    // distance / true distance; true inverse / aligned inverse
    const ratio = inverse / Math.max(farthest, scale * estimates[i]! + shift);
    sum += Math.abs(ratio - 1);
    if (Math.max(ratio, 1 / ratio) < RATIO) right++;
  });
  const count = known.length;
  return {
    absRel: sum / count,
    delta: right / count,
    rank: rankCorrelation(estimates, known),
    count,
  };
}
