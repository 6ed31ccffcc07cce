/** Draws which tokens of each sample skip blocks in a training step. */
import type { TokenRoute } from '../../models/transformer/index.js';
import { type Generator, rand, stack } from '../../tensor/index.js';
import { type SkippedBlocks, skippingTokens } from '../recipe/levers-config.js';

/**
 * A random choice of tokens for each sample, of which as many skip blocks in all of them.
 *
 * @param generators   one per sample
 * @param tokens       tokens per sample
 * @returns null if the share is less than one token
 * Source: Krause et al. 2025, TREAD, arXiv 2501.04765
 */
export function drawRoute(
  generators: readonly Generator[],
  tokens: number,
  { share, first, last }: SkippedBlocks,
): TokenRoute | null {
  const skipping = skippingTokens(tokens, share);
  if (skipping === 0) return null;
  const draws = stack(generators.map((generator) => rand([tokens], { generator })));
  const shuffled = draws.sort(1)[1]; // [B, L]
  // in rising order, as rows that are near each other are faster to read
  const rising = (from: number, count: number) => shuffled.narrow(1, from, count).sort(1)[0];
  return {
    kept: rising(0, tokens - skipping),
    skipping: rising(tokens - skipping, skipping),
    first,
    last,
  };
}
