/** Smooths curves. It imports nothing, so that pages can use it, too. */

/**
 * The exponential moving average of `values`, as TensorBoard's slider shows it.
 * @param weight  0..1, the weight of the values before
 * @returns as many values; NaN where the value is not finite, which does not affect the others
 */
export function smooth(values: readonly number[], weight: number): number[] {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return Number.NaN;
    sum = sum * weight + value;
    total = total * weight + 1; // normalised, so that it does not start from 0
    return sum / total;
  });
}

/** Fewer points than this are shown as they are, without smoothing. */
export const FEW_POINTS = 30;
