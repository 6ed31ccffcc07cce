/** `mfm train --dry-run`: the parts of a run, what each costs here, and its tasks. */
import { availableBytes } from '../pipeline/plan.js';
import { type Task, weightedTasks } from '../tasks/index.js';
import { budgetNotes } from '../train/budget.js';
import { type Optimisation, type Recipe, type Stage, stagesOf } from '../train/config.js';
import { batchesOf, type StageBatch, type TrainedNetworks, trainedTotal } from '../train/cost.js';
import { dtypeOf, recipeShape, trainedNetworks } from '../train/networks.js';
import { matrixPeak, trainingEfficiency } from '../train/peak.js';
import { lacking } from '../train/recipe.js';
import {
  type EncodingCost,
  type PartCost,
  type RunCost,
  runCost,
  type StageCost,
} from '../train/run-cost.js';
import { isText } from '../train/trained-names.js';
import { formatBytes, formatDuration } from './progress.js';
import { aligned } from './table.js';
import { count, flops } from './units.js';

export interface DryRunOptions {
  recipe: Recipe;
  /** of the run */
  folder: string;
  /** that share this machine; default 1 */
  processes?: number;
  /** what is known of a stage's data, line by line */
  dataLines?: (stage: Stage) => string[];
}

/** What a run would be, in words; nothing of it is built. A measurement takes a few seconds. */
export function dryRun(options: DryRunOptions): string {
  const { recipe, folder, processes = 1, dataLines = () => [] } = options;
  const dtype = dtypeOf(recipe);
  const shape = recipeShape(recipe);
  const networks = trainedNetworks(recipe, shape, dtype);
  const peakFlops = matrixPeak(dtype);
  const batches = stagesOf(recipe).flatMap((stage) => batchesOf(stage));
  const { size } = batches.reduce((most, batch) => (batch.tokens > most.tokens ? batch : most));
  const efficiency = trainingEfficiency(networks, size, peakFlops);
  const memoryBytes = availableBytes();
  const cost = runCost(recipe, shape, dtype, {
    ...{ peakFlops, efficiency, memoryBytes, ranks: processes },
  });

  const from = recipe.base ?? recipe.transformer.from ?? recipe.init;
  return [
    `${recipe.name}: nothing is trained; the run would be ${folder}`,
    `${dtype}; a matrix product reaches ${flops(peakFlops)}/s here, training ${flops(peakFlops * efficiency)}/s: about ${formatDuration(cost.seconds)} in all${processes > 1 ? `, in ${processes} processes` : ''}`,
    '',
    ...aligned(partRows(recipe, cost)).map((line) => `  ${line}`),
    '',
    `transformer, ${from ? `from ${from}` : 'from scratch'}: ${trainedWords(recipe, cost, networks)}`,
    ...cost.stages.flatMap((stage) => ['', ...stageLines(stage), ...dataLines(stage.stage)]),
    '',
    memoryLine(cost, memoryBytes, processes),
    '',
  ].join('\n');
}

function partRows(recipe: Recipe, { autoencoder, encoding, adapter }: RunCost) {
  const { init } = recipe;
  const origin = recipe.base ?? recipe.autoencoder.from;
  const steps = (part: PartCost, plan: Optimisation) => [
    lengthOf(plan),
    `${count(part.parameters)} parameters`,
    `${flops(part.flops)} a step`,
    `about ${formatDuration(part.seconds)}`,
  ];
  return [
    autoencoder
      ? ['autoencoder', ...steps(autoencoder, recipe.autoencoder), init ? `from ${init}` : '']
      : ['autoencoder', 'not trained', `from ${origin}`],
    ['encoding', ...encodingWords(encoding)],
    ...(adapter ? [['adapter', ...steps(adapter, recipe.transformer.adapter!)]] : []),
  ];
}

function encodingWords({ samples, flops: work, seconds, uncounted }: EncodingCost): string[] {
  const counted = samples > 0 ? [`${samples} samples`, flops(work)] : [];
  const others = uncounted.length > 0 ? [`all of ${uncounted.join(', ')}`] : [];
  return [...others, ...counted, ...(samples > 0 ? [`about ${formatDuration(seconds)}`] : [])];
}

function trainedWords({ transformer }: Recipe, cost: RunCost, { trained }: TrainedNetworks) {
  const { parameters } = cost.stages[0]!;
  const whole = `${count(parameters)} parameters`;
  if (transformer.lora) {
    return `${whole}, and layers of rank ${transformer.lora.rank} that are trained`;
  }
  const text = trainedTotal(trained, isText);
  const own = trainedTotal(trained) - text;
  const some = own < parameters ? `, of which ${count(own)} are trained` : '';
  return `${whole}${some}${text > 0 ? `, and ${count(text)} of the text encoder` : ''}`;
}

function stageLines({ stage, batches, step, memory, flops: work, seconds }: StageCost): string[] {
  const size = `${stage.width}x${stage.height}, ${stage.numFrames} frame${stage.numFrames === 1 ? '' : 's'}`;
  return [
    `${stage.name}: ${size}, ${lengthOf(stage)} of ${Math.round(step.tokens)} tokens, ${flops(work)} a step, ${formatBytes(memory.total)} of memory, about ${formatDuration(seconds)}`,
    ...budgetNotes(stage).map((note) => `  ${note}`),
    ...batches.flatMap((batch) => [...batchLines(batch, stage)]),
  ];
}

/** Images or clips: how often, how many, and the tasks that are drawn for them. */
function batchLines({ kind, share, samples, tokens }: StageBatch, stage: Stage): string[] {
  const result = kind === 'image' ? 'image' : 'video';
  const ofKind = weightedTasks(stage.tasks).filter(({ task }) => task.result === result);
  // what files are good for, they alone say
  const known = stage.data.every(({ miniworld }) => miniworld);
  const lacks = (task: Task) => (known ? lacking(task, stage) : []);
  const tasks = ofKind.filter(({ task }) => lacks(task).length === 0);
  const others = ofKind.filter((one) => !tasks.includes(one));
  const weights = tasks.reduce((sum, { weight }) => sum + weight, 0);
  return [
    `  ${kind}s: ${percent(share)} of the steps${kind === 'image' ? courseOf(stage) : ''}, ${samples} of ${tokens} tokens in each`,
    ...(tasks.length === 0 ? ['    no task'] : []),
    ...aligned(
      tasks.map(({ task, weight }) => [
        task.id,
        String(weight),
        percent(weight / weights),
        `${percent((weight / weights) * share)} of all steps`,
      ]),
    ).map((line) => `    ${line}`),
    ...others.map(({ task }) => `    ${task.id} is left out (${lacks(task).join(', ')})`),
  ];
}

function courseOf({ imageShare, mixAt }: Stage): string {
  const [first, last] = imageShare.map(percent);
  if (mixAt === 0 || first === last) return '';
  return ` (from ${first}, ${last} after ${percent(mixAt)} of the stage)`;
}

function memoryLine({ stages }: RunCost, available: number, processes: number): string {
  const most = Math.max(...stages.map(({ memory }) => memory.total));
  const each = processes > 1 ? ` in each of ${processes} processes` : '';
  const fits =
    processes * most <= available
      ? ''
      : ': it does not fit; lower tokensPerMicroBatch, or turn gradCheckpointing on';
  return `memory: ${formatBytes(most)} at its most${each}, ${formatBytes(available)} can be had${fits}`;
}

const lengthOf = ({ steps, maxSeconds }: Optimisation): string =>
  `${steps} steps${maxSeconds ? `, at most ${formatDuration(maxSeconds)}` : ''}`;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
