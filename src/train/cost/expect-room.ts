/** Refuses a run that does not fit into memory, by the figure that a dry run shows. */
import { InputError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import { availableBytes } from '../../pipeline/cost/plan.js';
import { type Recipe, stagesOf } from '../recipe/config.js';
import { dtypeOf, recipeShape } from '../recipe/networks.js';
import { memoryOf } from './memory.js';
import { cpuDevice } from './scaling.js';
import { trainedNetworks } from './trained-networks.js';

/** The processes of a job: all of them (`ranks`), and those on this machine (`local`). */
export interface ProcessCounts {
  ranks: number;
  local: number;
}

/**
 * The count is within 10 % of what a step really takes.
 *
 * @param available   bytes that are available on this machine
 * @throws InputError naming the first stage that does not fit
 */
export function expectRoom(
  recipe: Recipe,
  { ranks, local }: ProcessCounts,
  available = availableBytes(),
): void {
  const dtype = dtypeOf(recipe);
  const networks = trainedNetworks(recipe, recipeShape(recipe), dtype);
  const { bucketBytes } = cpuDevice(0, available);
  for (const stage of stagesOf(recipe)) {
    const { total } = memoryOf(networks, stage, { ranks, sharding: recipe.sharding, bucketBytes });
    if (local * total <= available) continue;
    const each = local > 1 ? ` in each of ${local} processes` : '';
    throw new InputError(
      `stage "${stage.name}": needs ${formatBytes(total)} of memory at its peak${each}, and ${formatBytes(available)} is available; lower tokensPerMicroBatch, turn gradCheckpointing on, or try it with \`checkMemory: false\``,
    );
  }
}
