/** Keys of a recipe that name blocks which its network does not have. */
import { type PipelineRecipe, stagesOf } from './config.js';
import { skippedBlocks } from './levers-config.js';

/**
 * @param numLayers   number of blocks of the network that is trained
 * @returns a sentence about each such key
 */
export function missingBlocks(recipe: PipelineRecipe, numLayers: number): string[] {
  return stagesOf(recipe).flatMap(({ tokenRouting }, i) => {
    const key = recipe.transformer.stages ? `transformer.stages.${i}` : 'transformer';
    const skipped = skippedBlocks(tokenRouting, numLayers);
    if (!skipped) return [];
    const { first, last } = skipped;
    if (first <= last && last < numLayers) return [];
    return [
      `${key}.tokenRouting: must skip blocks between 0 and ${numLayers - 1}, got ${first} to ${last}`,
    ];
  });
}
