/** `mfm plan`: estimates what training a recipe on many processes would take. */
import { totalmem } from 'node:os';
import { InputError } from '../../../errors.js';
import { fromRoot } from '../../../files/package-root.js';
import type { Device } from '../../../train/cost/scaling.js';
import type { PipelineRecipe } from '../../../train/recipe/config.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';

export const summary = 'estimate memory, network traffic and days of training on many processes';

export const args = defineArgs({
  positional: {
    recipe: {
      kind: 'text',
      optional: true,
      describe: 'YAML file (default: recipes/mfm-2b.yaml and recipes/mfm-8b.yaml)',
    },
  },
  options: {
    ranks: {
      kind: 'text',
      default: '8,64,512',
      describe: 'numbers of processes to plan for, one process per device',
    },
    device: {
      kind: 'text',
      choices: ['h100', 'a100', 'cpu'],
      default: 'h100',
      describe: 'device of each process; cpu is this machine, whose peak performance is measured',
    },
    peakTflops: {
      kind: 'number',
      min: 1e-6,
      describe: "peak TFLOP/s per process (default: the device's)",
    },
    efficiency: {
      kind: 'number',
      min: 0.001,
      max: 1,
      default: 0.4,
      describe: 'share of the peak performance that training reaches while it computes',
    },
    memory: {
      kind: 'number',
      min: 0.001,
      describe: "memory per process, GB (default: the device's)",
    },
    bandwidth: {
      kind: 'number',
      min: 0.001,
      describe: "bandwidth per process to other nodes, GB/s (default: the device's)",
    },
    bandwidthWithin: {
      kind: 'number',
      min: 0.001,
      describe: "bandwidth per process within its node, GB/s (default: the device's)",
    },
    ranksPerNode: {
      kind: 'integer',
      min: 1,
      describe: "processes per node (default: the device's)",
    },
    latency: {
      kind: 'number',
      min: 0,
      describe: "latency of a message, µs (default: the device's)",
    },
    sequenceParallel: {
      kind: 'integer',
      min: 1,
      describe: 'processes that share a sample, in every stage (default: as in the recipe)',
    },
    set: { kind: 'set', repeat: true, describe: 'change a key of the recipe, e.g. sharding=zero2' },
    markdown: { kind: 'flag', describe: 'print Markdown tables, as in docs/training-at-scale.md' },
  },
});

export const examples: readonly Example[] = [
  ['both released sizes on H100s', 'plan'],
  [
    'one of them on other machines',
    'plan recipes/mfm-8b.yaml --device a100 --ranks 64,256 --memory 40',
  ],
  [
    'the small pipeline on machines like this one',
    'plan recipes/mfm-mini.yaml --device cpu --ranks 1,2,4',
  ],
];

export async function run(options: Options<typeof args>): Promise<void> {
  process.stdout.write(await planText(options));
}

/** The command's output. @throws InputError for an impossible recipe or cluster */
export async function planText(options: Options<typeof args>): Promise<string> {
  const { readRecipe } = await import('../../../train/recipe/read-recipe.js');
  const { pipelineRecipe } = await import('../../../train/recipe/config.js');
  const { planSections } = await import('./sections.js');
  const ranks = rankList(options.ranks);
  const paths = options.recipe ? [options.recipe] : ['mfm-2b', 'mfm-8b'].map(carried);
  const recipes = paths.map((path) =>
    withSequenceParallel(pipelineRecipe(readRecipe(path, options.set)), options),
  );
  const device = await deviceOf(options);
  const { efficiency, markdown = false } = options;
  return planSections(recipes, { device, efficiency, ranks, markdown }).join('\n');
}

/** A recipe that comes with the program. */
const carried = (name: string): string => fromRoot(`recipes/${name}.yaml`);

function rankList(text: string): number[] {
  const ranks = text.split(',').map(Number);
  if (ranks.every((count) => Number.isInteger(count) && count >= 1 && count <= 65_536))
    return ranks;
  throw new InputError(
    `mfm plan: --ranks: must be whole numbers from 1 to 65536, separated by commas, e.g. 8,64,512, got "${text}"`,
  );
}

function withSequenceParallel(
  recipe: PipelineRecipe,
  { sequenceParallel }: Options<typeof args>,
): PipelineRecipe {
  if (sequenceParallel === undefined) return recipe;
  const { transformer } = recipe;
  const stages = transformer.stages?.map((stage) => ({ ...stage, sequenceParallel }));
  return { ...recipe, transformer: { ...transformer, sequenceParallel, stages } };
}

async function deviceOf(options: Options<typeof args>): Promise<Device & { name: string }> {
  const { DEVICES } = await import('../../../train/cost/scaling.js');
  const own = options.device === 'cpu' ? await thisMachine(options) : DEVICES[options.device];
  const { peakTflops, memory, bandwidth, bandwidthWithin, ranksPerNode, latency } = options;
  const given = {
    peakFlops: peakTflops && peakTflops * 1e12,
    memoryBytes: memory && memory * 1e9,
    bandwidthBetween: bandwidth && bandwidth * 1e9,
    bandwidthWithin: bandwidthWithin && bandwidthWithin * 1e9,
    latencySeconds: latency === undefined ? undefined : latency * 1e-6,
    ranksPerNode,
  };
  const changes = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...own, ...Object.fromEntries(changes), name: options.device };
}

/** This machine's CPU; its peak is measured unless it is given. */
async function thisMachine({ peakTflops }: Options<typeof args>): Promise<Device> {
  const { fastDtype } = await import('../../../nn/index.js');
  const { matrixPeak } = await import('../../../train/cost/peak.js');
  const { cpuDevice } = await import('../../../train/cost/scaling.js');
  const peak = peakTflops ? peakTflops * 1e12 : matrixPeak(fastDtype());
  return cpuDevice(peak, totalmem());
}
