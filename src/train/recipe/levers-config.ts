/**
 * Keys of a recipe that make training learn more from each sample: published methods, all off
 * unless a recipe asks for them.
 */
import { z } from 'zod';

const block = z.int().min(0).max(1023);

/** Some tokens skip the middle blocks. Source: Krause et al. 2025, TREAD, arXiv 2501.04765 */
export const TokenRouting = z.strictObject({
  share: z
    .number()
    .min(0)
    .max(0.95)
    .default(0)
    .describe(
      "share of each sample's tokens that skip blocks in training (TREAD); with 0, none do. Validation and use see all",
    ),
  first: block.default(1).describe('index of the first block that they skip, from 0'),
  last: block
    .optional()
    .describe('index of the last block that they skip (default: the last but one)'),
});
export type TokenRouting = z.infer<typeof TokenRouting>;

/** A range of blocks that a share of the tokens skips. */
export interface SkippedBlocks {
  share: number;
  first: number;
  last: number;
}

/** The blocks that tokens skip in a network of `numLayers` blocks; null if none do. */
export function skippedBlocks(
  { share, first, last }: TokenRouting,
  numLayers: number,
): SkippedBlocks | null {
  return share === 0 ? null : { share, first, last: last ?? numLayers - 2 };
}

/** The number of tokens of a sample that skip blocks. */
export const skippingTokens = (tokens: number, share: number): number => Math.floor(tokens * share);
