/** Splits batches into parts that fit into memory. */

/** The number of samples that a token budget holds, at least one. */
export const samplesWithin = (budget: number, tokens: number): number =>
  Math.max(1, Math.floor(budget / tokens));

/**
 * Groups samples that are computed together: as many as the limit allows, and at least one.
 *
 * @param tokens    tokens per sample
 * @param atOnce    largest number of tokens in a group; default: all
 */
export function microBatches<T>(samples: readonly T[], tokens: number, atOnce = Infinity): T[][] {
  const size = Math.min(samples.length, samplesWithin(atOnce, tokens));
  const count = size === 0 ? 0 : Math.ceil(samples.length / size);
  return Array.from({ length: count }, (_, i) => samples.slice(i * size, (i + 1) * size));
}
