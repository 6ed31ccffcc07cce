/** Keys of a recipe about blocks that do not fit its network. */
import type { PipelineRecipe } from './config.js';
import { alignedBlock, alignedTo, skippedBlocks } from './levers-config.js';
import { stagesOf } from './stages.js';

/**
 * @param numLayers   number of blocks of the network that is trained
 * @returns a sentence about each such key
 */
export function missingBlocks(recipe: PipelineRecipe, numLayers: number): string[] {
  const within = `between 0 and ${numLayers - 1}`;
  const to = alignedTo(stagesOf(recipe));
  return stagesOf(recipe).flatMap(({ tokenRouting, alignment }, i) => {
    const key = recipe.transformer.stages ? `transformer.stages.${i}` : 'transformer';
    const problems: string[] = [];
    const skipped = skippedBlocks(tokenRouting, numLayers);
    if (skipped && (skipped.first > skipped.last || skipped.last >= numLayers)) {
      const got = `${skipped.first} to ${skipped.last}`;
      problems.push(`${key}.tokenRouting: must skip blocks ${within}, got ${got}`);
    }
    const block = alignedBlock(alignment, numLayers);
    if (alignment.weight > 0 && alignment.to !== to) {
      problems.push(
        `${key}.alignment.to: must be the same in all stages (${to}), got ${alignment.to}`,
      );
    }
    if (alignment.weight > 0 && block >= numLayers) {
      problems.push(`${key}.alignment.block: must be ${within}, got ${block}`);
    }
    return problems;
  });
}
