/** Refuses a run that does not fit into memory, by the figure that a dry run shows. */
import { InputError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import { availableOn, hasOwnMemory } from '../../pipeline/cost/available.js';
import { type Recipe, trainedDepthModel, trainsPipeline } from '../recipe/config.js';
import { dtypeOf, recipeShape } from '../recipe/networks.js';
import { stagesOf } from '../recipe/stages.js';
import { depthMemory } from './depth-cost.js';
import { memoryOf } from './memory.js';
import { cpuDevice } from './scaling.js';
import { trainedNetworks } from './trained-networks.js';

/** The processes of a job: all of them (`ranks`), and those on this machine (`local`). */
export interface ProcessCounts {
  ranks: number;
  local: number;
  /** where this process computes; default: cpu */
  device?: string;
}

/** Memory that is available to this process, or with the others to all of this machine. */
export interface Room {
  bytes: number;
  /** the device that has it, if it has memory of its own; null: the machine */
  device: string | null;
}

const roomOn = (device: string): Room => ({
  bytes: availableOn(device),
  device: hasOwnMemory(device) ? device : null,
});

/**
 * The count is within 10 % of what a step really takes, on the CPU.
 *
 * @throws InputError naming the first part or stage that does not fit
 */
export function expectRoom(
  recipe: Recipe,
  { ranks, local, device = 'cpu' }: ProcessCounts,
  { bytes: available, device: owner }: Room = roomOn(device),
): void {
  const dtype = dtypeOf(recipe, device);
  const depthModel = trainedDepthModel(recipe);
  const sharing = owner === null ? local : 1;
  const each = sharing > 1 ? ` in each of ${sharing} processes` : '';
  const where = owner === null ? 'available' : `free on ${owner}`;
  const fits = (what: string, bytes: number, remedy: string) => {
    if (sharing * bytes <= available) return;
    throw new InputError(
      `${what}: needs ${formatBytes(bytes)} of memory at its peak${each}, and ${formatBytes(available)} is ${where}; ${remedy}, or try it with \`checkMemory: false\``,
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
