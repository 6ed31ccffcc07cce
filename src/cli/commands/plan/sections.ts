/** The tables of `mfm plan`: a section for every recipe, a table for every stage. */
import { InputError } from '../../../errors.js';
import { batchesOf, type Sharding, trainedTotal } from '../../../train/cost/cost.js';
import { memoryOf } from '../../../train/cost/memory.js';
import { type Device, stepOf } from '../../../train/cost/scaling.js';
import { type TrainedNetworks, trainedNetworks } from '../../../train/cost/trained-networks.js';
import type { PipelineRecipe, Stage } from '../../../train/recipe/config.js';
import { recipeShape } from '../../../train/recipe/networks.js';
import { stagesOf } from '../../../train/recipe/stages.js';
import { aligned, markdownTable } from '../../terminal/table.js';
import { count, digits, flops } from '../../terminal/units.js';

export interface PlanSettings {
  device: Device & { name: string };
  efficiency: number;
  ranks: readonly number[];
  markdown: boolean;
}

const STRATEGIES: readonly Sharding[] = ['ddp', 'zero1', 'zero2'];
/** Share of a device's memory reserved for fragmentation, the program and its libraries. */
const RESERVED = 0.1;

/** Lines for all recipes. @throws InputError if the numbers of processes do not suit the stages */
export function planSections(recipes: readonly PipelineRecipe[], settings: PlanSettings): string[] {
  const { markdown } = settings;
  return [...recipes.flatMap((recipe) => section(recipe, settings)), ...notes(settings)].concat(
    markdown ? [] : [''],
  );
}

function section(recipe: PipelineRecipe, settings: PlanSettings): string[] {
  const dtype = recipe.dtype === 'auto' ? 'bfloat16' : recipe.dtype;
  const networks = trainedNetworks(recipe, recipeShape(recipe), dtype);
  const trained = trainedTotal(networks.trained);
  const title = `${recipe.name}: ${count(trained)} trained parameters, ${dtype}, ${recipe.sharding}`;
  const stages = stagesOf(recipe);
  for (const stage of stages) check(stage, networks, settings);
  return [
    settings.markdown ? `### ${title}` : title,
    '',
    ...stages.flatMap((stage) => stageLines(stage, networks, recipe.sharding, settings)),
  ];
}

function check(
  { name, sequenceParallel }: Stage,
  { transformer }: TrainedNetworks,
  { ranks }: PlanSettings,
): void {
  const heads = transformer.num_attention_heads;
  if (heads % sequenceParallel !== 0) {
    throw new InputError(
      `stage ${name}: sequenceParallel must divide the ${heads} heads, got ${sequenceParallel}`,
    );
  }
  const odd = ranks.find((one) => one % sequenceParallel !== 0);
  if (odd !== undefined) {
    throw new InputError(
      `mfm plan: --ranks: must be multiples of ${sequenceParallel}, the number of processes that share a sample in stage ${name}, got ${odd}`,
    );
  }
}

function stageLines(
  stage: Stage,
  networks: TrainedNetworks,
  sharding: Sharding,
  settings: PlanSettings,
): string[] {
  const { device, efficiency, ranks, markdown } = settings;
  const rows = ranks.map((count) => {
    const cluster = { ...device, efficiency, ranks: count };
    const memory = STRATEGIES.map((strategy) => {
      const { total } = memoryOf(networks, stage, { ...cluster, sharding: strategy });
      return `${digits(total / 1e9)}${total > (1 - RESERVED) * device.memoryBytes ? '*' : ''}`;
    });
    const step = stepOf(networks, stage, sharding, cluster);
    const { gradients, weights, sequence } = step.network;
    return [
      String(count),
      String(Number(step.passes.toFixed(1))),
      ...memory,
      digits((gradients + weights + sequence) / 1e9),
      `${((100 * step.exposedSeconds) / step.seconds).toFixed(1)} %`,
      digits(step.seconds),
      grouped(step.tokens / step.seconds),
      digits(step.samples / step.seconds),
      digits((stage.steps * step.seconds) / 86_400),
    ];
  });
  const head = [
    ...['ranks', 'passes', ...STRATEGIES.map((one) => `GB, ${one}`), 'GB sent', 'waiting'],
    ...['s a step', 'tokens/s', 'samples/s', 'days'],
  ];
  const table = [head, ...rows];
  return [
    markdown
      ? `**${stage.name}**: ${inWords(stage, networks, settings)}`
      : `${stage.name}: ${inWords(stage, networks, settings)}`,
    ...(markdown ? ['', ...markdownTable(table)] : aligned(table)),
    '',
  ];
}

/** The stage's samples and steps, which do not depend on the number of processes. */
function inWords(stage: Stage, networks: TrainedNetworks, { device, efficiency }: PlanSettings) {
  const { numFrames, height, width, sequenceParallel } = stage;
  const batches = batchesOf(stage).map(
    ({ kind, share, tokens, samples }) =>
      `${grouped(samples)} ${kind}s of ${grouped(tokens)} tokens (${digits(100 * share)} % of the steps)`,
  );
  const work = stepOf(networks, stage, 'ddp', { ...device, efficiency, ranks: 1 });
  const shared = sequenceParallel > 1 ? `, each shared by ${sequenceParallel} ranks` : '';
  return `${numFrames}x${height}x${width}, ${grouped(stage.steps)} steps of ${batches.join(' or ')}${shared}; ${grouped(work.tokens)} tokens and ${flops(work.flops)} a step`;
}

/** The assumptions behind the figures. */
function notes({ device, efficiency }: PlanSettings): string[] {
  const { name, peakFlops, memoryBytes, bandwidthWithin, bandwidthBetween, ranksPerNode } = device;
  const rate = (bytes: number) => `${digits(bytes / 1e9)} GB/s`;
  return [
    `A rank is one ${name}: ${flops(peakFlops)}/s at most and ${(100 * efficiency).toFixed(0)} % of it while it computes, ${digits(memoryBytes / 1e9)} GB (* is more than ${100 * (1 - RESERVED)} % of it), ${rate(bandwidthWithin)} to the ${ranksPerNode} of its node, ${rate(bandwidthBetween)} to others, ${digits(device.latencySeconds * 1e6)} µs a message.`,
  ];
}

/** `5 963 776` */
const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
