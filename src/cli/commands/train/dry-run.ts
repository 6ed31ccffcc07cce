/** `mfm train --dry-run`: the parts of a run, their cost on this machine, and the tasks. */
import { availableOn } from '../../../pipeline/cost/available.js';
import { lackOf, type Task, tallyLines, weightedTasks } from '../../../tasks/index.js';
import { budgetNotes } from '../../../train/cost/budget.js';
import { batchesOf, type StageBatch, trainedTotal } from '../../../train/cost/cost.js';
import { type DepthCost, depthCost } from '../../../train/cost/depth-cost.js';
import { matrixPeak, trainingEfficiency } from '../../../train/cost/peak.js';
import {
  type DepthAheadCost,
  type EncodingCost,
  type PartCost,
  type RunCost,
  runCost,
  type StageCost,
} from '../../../train/cost/run-cost.js';
import { type TrainedNetworks, trainedNetworks } from '../../../train/cost/trained-networks.js';
import {
  type DepthModelPlan,
  firstWeightsOf,
  type Optimisation,
  type PipelineRecipe,
  type Recipe,
  type Stage,
  trainedDepthModel,
  trainsPipeline,
} from '../../../train/recipe/config.js';
import { withPlannedModel } from '../../../train/recipe/depth-model.js';
import { dtypeOf, recipeShape, undoneNote } from '../../../train/recipe/networks.js';
import { lacking } from '../../../train/recipe/read-recipe.js';
import { stagesOf } from '../../../train/recipe/stages.js';
import { isText } from '../../../train/recipe/trained-names.js';
import { formatBytes, formatDuration } from '../../terminal/progress.js';
import { aligned } from '../../terminal/table.js';
import { count, flops } from '../../terminal/units.js';
import type { StageData } from './dry-run-data.js';

export interface DryRunOptions {
  recipe: Recipe;
  /** user-defined tasks, in addition to mfm's */
  ownTasks?: readonly Task[];
  /** the run's folder */
  folder: string;
  /** number of processes that share this machine; default: 1 */
  processes?: number;
  /** facts about a stage's files; null: it has none */
  dataOf?: DataOf;
  /** where the run would compute; default: cpu */
  device?: string;
}

type DataOf = (stage: Pick<Stage, 'name'>) => StageData | null;

/** Describes a run without building anything. Measuring the machine takes a few seconds. */
export function dryRun(options: DryRunOptions): string {
  const { recipe, processes = 1, device } = options;
  const plan = trainedDepthModel(recipe);
  const depth = plan && { plan, ...depthCost(plan, dtypeOf(recipe, device), processes) };
  if (trainsPipeline(recipe)) return pipelineDryRun({ ...options, recipe, depth });
  return depthDryRun(depth!, options);
}

type Depth = DepthCost & { plan: DepthModelPlan };

/** A recipe that trains a depth model alone. */
function depthDryRun(
  depth: Depth,
  { recipe, folder, processes = 1, device = 'cpu' }: DryRunOptions,
): string {
  const available = availableOn(device);
  return [
    `${recipe.name}: nothing is trained; the run would be ${folder}`,
    `${dtypeOf(recipe, device)}; about ${formatDuration(depth.seconds)} in all${inProcesses(processes)}`,
    '',
    ...aligned([depthRow(depth)]).map((line) => `  ${line}`),
    '',
    memoryLine(depth.memory, available, processes, 'lower batchSize'),
    '',
  ].join('\n');
}

function depthRow({ plan, parameters, seconds }: Depth): string[] {
  const { width, height, batchSize, photos } = plan;
  const what = `${lengthOf(plan)} of ${batchSize} pictures of ${width}x${height}`;
  const from = photos === undefined ? 'of scenes without photos' : `with photos of ${photos}`;
  const took = `about ${formatDuration(seconds)}`;
  return ['depthModel', what, `${count(parameters)} parameters`, took, from];
}

const inProcesses = (processes: number): string =>
  processes > 1 ? `, in ${processes} processes` : '';

function pipelineDryRun(
  options: DryRunOptions & { recipe: PipelineRecipe; depth: Depth | null },
): string {
  const { folder, depth, ownTasks, processes = 1, dataOf = () => null, device = 'cpu' } = options;
  const recipe = withPlannedModel(withKnownShares(options.recipe, dataOf, ownTasks));
  const dtype = dtypeOf(recipe, device);
  const shape = recipeShape(recipe);
  const networks = trainedNetworks(recipe, shape, dtype);
  const peakFlops = matrixPeak(dtype, device);
  const batches = stagesOf(recipe).flatMap((stage) => batchesOf(stage));
  const { size } = batches.reduce((most, batch) => (batch.tokens > most.tokens ? batch : most));
  const efficiency = trainingEfficiency(networks, size, peakFlops, device);
  const memoryBytes = availableOn(device);
  const cost = runCost(recipe, shape, dtype, {
    peakFlops,
    efficiency,
    memoryBytes,
    ranks: processes,
  });

  const from = recipe.base ?? firstWeightsOf(recipe);
  const undone = undoneNote(recipe);
  return [
    `${recipe.name}: nothing is trained; the run would be ${folder}`,
    `${dtype}; a matrix product reaches ${flops(peakFlops)}/s here, training ${flops(peakFlops * efficiency)}/s: about ${formatDuration(cost.seconds + (depth?.seconds ?? 0))} in all${inProcesses(processes)}`,
    '',
    ...aligned([...(depth ? [depthRow(depth)] : []), ...partRows(recipe, cost)]).map(
      (line) => `  ${line}`,
    ),
    '',
    `transformer, ${from ? `from ${from}` : 'from scratch'}: ${trainedWords(recipe, cost, networks)}`,
    ...(undone === null ? [] : [`  ${undone}`]),
    ...cost.stages.flatMap((one) => {
      const stage = { ...one.stage, ownTasks };
      return ['', ...stageLines({ ...one, stage }, dataOf(stage))];
    }),
    '',
    memoryLine(
      Math.max(depth?.memory ?? 0, ...cost.stages.map(({ memory }) => memory.total)),
      memoryBytes,
      processes,
      'lower tokensPerMicroBatch, or turn gradCheckpointing on',
    ),
    '',
  ].join('\n');
}

/** If there are no samples for clips, all batches are of images, and the other way round. */
function withKnownShares(
  recipe: PipelineRecipe,
  dataOf: DataOf,
  ownTasks?: readonly Task[],
): PipelineRecipe {
  const { transformer, distillation } = recipe;
  const known = (stage: Stage): [number, number] => {
    const { image, clip } = dataOf(stage)?.has ?? { image: true, clip: true };
    if (image && clip) return stage.imageShare;
    return image ? [1, 1] : [0, 0];
  };
  const all = stagesOf(recipe, ownTasks);
  const stages = all
    .filter((stage) => !stage.distillation)
    .map((stage) => ({ ...stage, imageShare: known(stage) }));
  return {
    ...recipe,
    transformer: stages.length > 0 ? { ...transformer, stages } : transformer,
    distillation: distillation && { ...distillation, imageShare: known(all.at(-1)!) },
  };
}

function partRows(recipe: PipelineRecipe, { autoencoder, encoding, depth, adapter }: RunCost) {
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
    ...(depth ? [['depth', ...depthWords(depth), `with ${recipe.depth.model}`]] : []),
    ...(adapter ? [['adapter', ...steps(adapter, recipe.transformer.adapter!)]] : []),
  ];
}

function encodingWords({ samples, flops: work, seconds, uncounted }: EncodingCost): string[] {
  const counted = samples > 0 ? [`${samples} samples`, flops(work)] : [];
  const others = uncounted.length > 0 ? [`all of ${uncounted.join(', ')}`] : [];
  return [...others, ...counted, ...(samples > 0 ? [`about ${formatDuration(seconds)}`] : [])];
}

function depthWords({ bytes, uncounted, ...cost }: DepthAheadCost): string[] {
  const some = uncounted.length > 0 ? [`what has none in ${uncounted.join(', ')}`] : [];
  const space = bytes > 0 ? [`${formatBytes(bytes)} of cache`] : [];
  return [...encodingWords({ ...cost, uncounted: [] }), ...space, ...some];
}

function trainedWords(
  { transformer }: PipelineRecipe,
  cost: RunCost,
  { trained }: TrainedNetworks,
) {
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

function stageLines(cost: StageCost, data: StageData | null): string[] {
  const { stage, batches, step, memory, flops: work, seconds } = cost;
  const size = `${stage.width}x${stage.height}, ${stage.numFrames} frame${stage.numFrames === 1 ? '' : 's'}`;
  return [
    `${stage.name}: ${size}, ${lengthOf(stage)} of ${Math.round(step.tokens)} tokens, ${flops(work)} a step, ${formatBytes(memory.total)} of memory, about ${formatDuration(seconds)}`,
    ...budgetNotes(stage).map((note) => `  ${note}`),
    ...batches.flatMap((batch) => [...batchLines(batch, stage, data)]),
    ...depthLines(stage, batches, data),
    ...(data ? unusedLines(data, batches) : []),
    ...(data?.lines ?? []),
  ];
}

/** Lines about images or clips: their share of the steps, their number, and the tasks drawn for them. */
function batchLines(batch: StageBatch, stage: Stage, data: StageData | null): string[] {
  const { kind, share, samples, tokens } = batch;
  const rows = data ? rowsOfFiles(data, kind, share) : rowsOfScenes(stage, kind, share);
  return [
    `  ${kind}s: ${percent(share)} of the steps${kind === 'image' ? courseOf(stage) : ''}, ${samples} of ${tokens} tokens in each`,
    ...(rows.tasks.length === 0 ? ['    no task'] : []),
    ...aligned(rows.tasks).map((line) => `    ${line}`),
    ...rows.others.map((line) => `    ${line}`),
  ];
}

interface TaskRows {
  tasks: string[][];
  /** lines about tasks that are not drawn */
  others: string[];
}

/** Shares by the tasks' weights, as all scenes of a kind can be used for the same tasks. */
function rowsOfScenes(stage: Stage, kind: StageBatch['kind'], share: number): TaskRows {
  const ofKind = weightedTasks(stage.tasks, stage.ownTasks).filter(
    ({ task }) => kindOf(task) === kind,
  );
  const tasks = ofKind.filter(({ task }) => lacking(task, stage).length === 0);
  const weights = tasks.reduce((sum, { weight }) => sum + weight, 0);
  return {
    tasks: tasks.map(({ task, weight }) => taskRow(task, weight, weight / weights, share)),
    others: ofKind
      .filter((one) => !tasks.includes(one))
      .map(({ task }) => `${task.id} is left out (${lacking(task, stage).join(', ')})`),
  };
}

/** Shares by the samples that each task has, from files. */
function rowsOfFiles(
  { tallies, shares }: StageData,
  kind: StageBatch['kind'],
  share: number,
): TaskRows {
  const used = tallies.filter(({ task, samples }) => samples > 0 && kindOf(task) === kind);
  return {
    tasks: used.map((tally) => {
      const { task, weight, samples, of } = tally;
      const others = samples < of ? `(${lackOf(tally)})` : '';
      const row = taskRow(task, weight, shares.get(task.id) ?? 0, share);
      return [...row, `${samples} of ${of} samples`, others];
    }),
    others: [],
  };
}

const taskRow = (task: Task, weight: number, share: number, ofAll: number): string[] => [
  task.id,
  String(weight),
  percent(share),
  `${percent(share * ofAll)} of all steps`,
];

/** Where the depth of known frames comes from; of files, the samples are counted. */
function depthLines(
  stage: Stage,
  batches: readonly StageBatch[],
  data: StageData | null,
): string[] {
  const { from, dropout, frameDropout } = stage.depth;
  const knows = weightedTasks(stage.tasks, stage.ownTasks).some(
    ({ task }) =>
      task.inputs.length > 0 &&
      !task.needs.depth &&
      batches.some(({ kind }) => kind === kindOf(task)),
  );
  if (!knows) return [];
  if (from === 'none') return ['  known frames have no depth'];
  const dropped = [
    ...(dropout > 0 ? [`${percent(dropout)} of the samples`] : []),
    ...(frameDropout > 0 ? [`${percent(frameDropout)} of the frames of the others`] : []),
  ];
  const left = dropped.length > 0 ? `; left out of ${dropped.join(' and ')}` : '';
  if (data) {
    return [
      ...data.depth.map((line) => `  ${line}`),
      ...(left ? [`  depth is${left.slice(1)}`] : []),
    ];
  }
  const scenes = { auto: 'exact', exact: 'exact', model: 'estimated', files: 'unknown for scenes' };
  return [`  depth of known frames: ${scenes[from]}${left}`];
}

/** Tasks without a sample, and kinds of batches that the recipe asks for but the files cannot give. */
function unusedLines({ tallies, has }: StageData, batches: readonly StageBatch[]): string[] {
  const unused = tallies.filter(({ samples }) => samples === 0);
  const kinds = (['image', 'clip'] as const).filter(
    (kind) => !has[kind] && batches.every((batch) => batch.kind !== kind),
  );
  return [
    ...tallyLines(unused).map((line) => `  ${line}`),
    ...kinds.map(
      (kind) => `  no sample can be used as ${kind === 'image' ? 'an image' : 'a clip'}`,
    ),
  ];
}

const kindOf = ({ result }: Task): StageBatch['kind'] => (result === 'image' ? 'image' : 'clip');

function courseOf({ imageShare, mixAt }: Stage): string {
  const [first, last] = imageShare.map(percent);
  if (mixAt === 0 || first === last) return '';
  return ` (from ${first}, ${last} after ${percent(mixAt)} of the stage)`;
}

function memoryLine(most: number, available: number, processes: number, remedy: string): string {
  const each = processes > 1 ? ` in each of ${processes} processes` : '';
  const fits = processes * most <= available ? '' : `: it does not fit; ${remedy}`;
  return `memory: ${formatBytes(most)} at its most${each}, ${formatBytes(available)} is available${fits}`;
}

const lengthOf = ({ steps, maxSeconds }: Optimisation): string =>
  `${steps} steps${maxSeconds ? `, at most ${formatDuration(maxSeconds)}` : ''}`;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
