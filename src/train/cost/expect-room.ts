/** Refuses a run that does not fit into memory, by the figure that a dry run shows. */
import { InputError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import { availableBytes } from '../../pipeline/cost/plan.js';
import { type Recipe, stagesOf, trainedDepthModel, trainsPipeline } from '../recipe/config.js';
import { dtypeOf, recipeShape } from '../recipe/networks.js';
import { depthMemory } from './depth-cost.js';
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
 * @throws InputError naming the first part or stage that does not fit
 */
export function expectRoom(
  recipe: Recipe,
  { ranks, local }: ProcessCounts,
  available = availableBytes(),
): void {
  const dtype = dtypeOf(recipe);
  const depthModel = trainedDepthModel(recipe);
  const each = local > 1 ? ` in each of ${local} processes` : '';
  const fits = (what: string, bytes: number, remedy: string) => {
    if (local * bytes <= available) return;
    throw new InputError(
      `${what}: needs ${formatBytes(bytes)} of memory at its peak${each}, and ${formatBytes(available)} is available; ${remedy}, or try it with \`checkMemory: false\``,
    );
  };
  if (depthModel) {
    fits('depthModel', depthMemory(depthModel, dtype, ranks), 'lower its batchSize');
  }
  if (!trainsPipeline(recipe)) return;
  const networks = trainedNetworks(recipe, recipeShape(recipe), dtype);
  const { bucketBytes } = cpuDevice(0, available);
  for (const stage of stagesOf(recipe)) {
    const { total } = memoryOf(networks, stage, { ranks, sharding: recipe.sharding, bucketBytes });
    fits(`stage "${stage.name}"`, total, 'lower tokensPerMicroBatch, turn gradCheckpointing on');
  }
}
