/** Batches in parts that fit into memory. */

/** So many samples a budget of tokens holds, and at least one. */
export const samplesWithin = (budget: number, tokens: number): number =>
  Math.max(1, Math.floor(budget / tokens));

/**
 * Samples that are computed together: as many as the bound has room for, and at least one.
 *
 * @param tokens    latent patches of a sample
 * @param atOnce    latent patches of a part, at most; default: all
 */
export function microBatches<T>(samples: readonly T[], tokens: number, atOnce = Infinity): T[][] {
  const size = Math.min(samples.length, samplesWithin(atOnce, tokens));
  const count = size === 0 ? 0 : Math.ceil(samples.length / size);
  return Array.from({ length: count }, (_, i) => samples.slice(i * size, (i + 1) * size));
}
