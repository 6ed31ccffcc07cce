/** The pipeline that is trained: built from a recipe, or opened to be fine-tuned. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type CaptionLimit, RELEASED } from '../../data/caption-length.js';
import { editOf } from '../../data/miniworld/edit.js';
import { captionOf, drawScene } from '../../data/miniworld/index.js';
import { drawWorld } from '../../data/miniworld/world.js';
import { SchedulerConfig } from '../../diffusion/config.js';
import { readJson } from '../../files/read-json.js';
import type { Autoencoder } from '../../models/autoencoder/index.js';
import {
  buildTokenizer,
  PromptTokenizer,
  parseT5Config,
  T5Encoder,
  type TokenizerFiles,
  tokenizerFiles,
} from '../../models/t5/index.js';
import { initialiseForTraining, Transformer3D } from '../../models/transformer/index.js';
import { addLora, type LoraLayers, loadWeights, mergeLora, saveLora } from '../../nn/index.js';
import { captionLimit, captionLimitOf } from '../../pipeline/caption-limit.js';
import {
  depthFolderOf,
  openPipeline,
  Pipeline,
  PipelineSettings,
  readSettings,
  residentPart,
  savePipeline,
} from '../../pipeline/index.js';
import { allTasks, TASK_IDS, type Task, taggedPrompt } from '../../tasks/index.js';
import { type DType, manualSeed, type Tensor } from '../../tensor/index.js';
import { firstWeightsOf, type PipelineRecipe, type Recipe } from '../recipe/config.js';
import { textEncoderConfigOf, transformerConfigOf, undoesSteps } from '../recipe/networks.js';
import { stagesOf } from '../recipe/stages.js';
import { prefixed, trainedNames } from '../recipe/trained-names.js';
import type { Run } from '../run/run.js';
import { copyFromOtherForm } from './initial/other-form.js';

export interface TrainedPipeline {
  pipeline: Pipeline;
  tokenizer: TokenizerFiles;
  /** LoRA layers of the transformer; null if there are none */
  lora: LoraLayers | null;
  /** folder of the depth model that the pipeline carries; null if it has none */
  depthModel: string | null;
}

export interface TrainedPipelineSource {
  recipe: PipelineRecipe;
  autoencoder: Autoencoder;
  dtype: DType;
  /** ids of the tasks that are trained */
  tasks: readonly string[];
  /** some of their known frames have depth in training; default: none */
  usesDepth?: boolean;
  /** folder of the depth model that the pipeline is to carry; default: that of the recipe's `base` */
  depthModel?: string | null;
  /** tasks beside those of mfm; their words are part of the vocabulary of a new text encoder */
  ownTasks?: readonly Task[];
}

/**
 * Builds the pipeline that a recipe describes, with a new transformer and a new or existing text
 * encoder.
 *
 * @param motionScore   default of the finished pipeline, unless the recipe sets another
 */
export function buildTrainedPipeline(
  {
    recipe,
    autoencoder,
    dtype,
    tasks,
    usesDepth = false,
    ownTasks,
    depthModel = null,
  }: TrainedPipelineSource,
  motionScore: number,
): TrainedPipeline {
  const { conditionScale } = recipe.transformer;
  const from = firstWeightsOf(recipe);
  const last = stagesOf(recipe).at(-1)!;
  manualSeed(recipe.seed);
  const text = textEncoderOf(recipe, ownTasks);
  const transformer = new Transformer3D({
    ...transformerConfigOf(recipe, text.encoder.config.d_model),
    sample_size: last.width / autoencoder.spatialCompression,
  });
  initialiseForTraining(transformer, { conditionScale });
  const settings = PipelineSettings.parse({
    width: last.width,
    height: last.height,
    numFrames: last.numFrames,
    motionScore,
    tasks,
    usesDepth,
    depthTasks: 'all',
    depthScale: from ? readSettings(from).depthScale : 'unit', // weights know their scale
    ...recipe.pipeline,
  });
  const pipeline = new Pipeline(
    {
      transformer: residentPart(transformer.toDtype(dtype)),
      autoencoder: residentPart(autoencoder),
      textEncoder: residentPart(text.encoder.toDtype(dtype)),
    },
    text.tokenizer,
    SchedulerConfig.parse({ shift: recipe.scheduler.shift }),
    settings,
    dtype,
  );
  return { pipeline, tokenizer: text.files, lora: null, depthModel };
}

/**
 * Opens the recipe's `base` with its networks, tokenizer and settings, except those that the recipe
 * overrides.
 */
export function openTrainedPipeline({
  recipe,
  autoencoder,
  dtype,
  tasks,
  usesDepth = false,
  depthModel,
}: TrainedPipelineSource): TrainedPipeline {
  const folder = recipe.base!;
  const opened = openPipeline(folder, { dtype, oneAtATime: false });
  const flow = undoesSteps(recipe, { transformer: opened.transformer.config })
    ? asFlow(opened, dtype)
    : opened;
  const known = opened.settings.tasks ?? TASK_IDS;
  const settings = {
    ...flow.settings,
    tasks: [...new Set([...known, ...tasks])],
    ...depthSettings(opened.settings, tasks, usesDepth),
    ...recipe.pipeline,
  };
  const pipeline = new Pipeline(
    {
      transformer: residentPart(flow.transformer.train()),
      autoencoder: residentPart(autoencoder),
      textEncoder: residentPart(opened.textEncoder),
    },
    opened.tokenizer,
    flow.scheduler,
    settings,
    dtype,
  );
  const { lora: config } = recipe.transformer;
  // only now that the weights have their final dtype, which the layers adopt
  const lora = config ? addLora(pipeline.transformer, config, recipe.seed) : null;
  const tokenizer = tokenizerFiles(join(folder, 'tokenizer'));
  return { pipeline, tokenizer, lora, depthModel: depthModel ?? depthFolderOf(folder) };
}

/** Number of sampling steps of what is made of a pipeline of few steps. */
export const FLOW_STEPS = 24;

/** The velocity of a pipeline that was distilled to few steps, and how to sample with it. */
function asFlow(
  { transformer: distilled, scheduler, settings }: Pipeline,
  dtype: DType,
): Pick<Pipeline, 'transformer' | 'scheduler' | 'settings'> {
  const { deltatime_type: _, ...config } = distilled.config;
  const transformer = new Transformer3D(config).toDtype(dtype);
  copyFromOtherForm(distilled, transformer);
  distilled.dispose();
  const { num_train_timesteps, shift } = scheduler;
  return {
    transformer,
    scheduler: SchedulerConfig.parse({ num_train_timesteps, shift }),
    settings: { ...settings, numInferenceSteps: FLOW_STEPS },
  };
}

/**
 * The trained tasks take depth as they are trained now, the others as before. The scale stays the
 * base's, as its weights know that one.
 */
function depthSettings(
  base: PipelineSettings,
  trained: readonly string[],
  usesDepth: boolean,
): Pick<PipelineSettings, 'usesDepth' | 'depthTasks'> {
  const before = base.usesDepth ? base.depthTasks : [];
  if (before === 'all' && usesDepth) return { usesDepth, depthTasks: 'all' };
  const all = before === 'all' ? (base.tasks ?? TASK_IDS) : before;
  const others = all.filter((id) => !trained.includes(id));
  const depthTasks = usesDepth ? [...others, ...trained] : others;
  return depthTasks.length > 0
    ? { usesDepth: true, depthTasks }
    : { usesDepth: false, depthTasks: base.depthTasks };
}

/**
 * Moves what is trained, and what it is trained with, to a device. Until then all of it is on the CPU,
 * where random weights are drawn: so a seed gives the same on every device.
 */
export function moveTo({ pipeline, lora }: TrainedPipeline, device: string): void {
  const { transformer, textEncoder, autoencoder } = pipeline;
  for (const network of [transformer, textEncoder, autoencoder, lora]) {
    const [first] = network?.parameters() ?? [];
    if (first) network!.moveTo(device, first.dtype);
  }
}

/**
 * Writes the current result of a run, so that it can be used while training goes on: `pipeline/` in
 * the run folder or, with LoRA, `lora/`.
 */
export function exportTrainee(trainee: TrainedPipeline, run: Run): void {
  run.unlessFull(() => write(trainee, run));
}

/**
 * Writes the final result of a run; LoRA layers are also merged into the weights of `pipeline/`.
 * @throws JobError if it cannot be written, as a run is not finished without it
 */
export function exportFinished(trainee: TrainedPipeline, run: Run): void {
  write(trainee, run);
  const { pipeline, lora } = trainee;
  if (!lora) return;
  mergeLora(pipeline.transformer, lora);
  write({ ...trainee, lora: null }, run);
}

function write({ pipeline, tokenizer, lora, depthModel }: TrainedPipeline, run: Run): void {
  if (run.parallel.rank !== 0) return;
  if (lora) saveLora(run.path('lora'), lora.weights(), { layout: 'diffusers' });
  else savePipeline(run.path('pipeline'), pipeline, tokenizer, 'bfloat16', depthModel);
}

/**
 * The parameters for the optimizer, by their names in checkpoints; freezes all others. With LoRA,
 * only the low-rank layers are trained.
 * @throws InputError for patterns that match nothing
 */
export function trainableParameters(
  { pipeline, lora }: TrainedPipeline,
  recipe: PipelineRecipe,
): Map<string, Tensor> {
  const { transformer, textEncoder } = pipeline;
  const all = new Map([
    ...prefixed('transformer', transformer.namedParameters()),
    ...prefixed('text_encoder', textEncoder.namedParameters()),
  ]);
  for (const network of [transformer, textEncoder]) network.requiresGrad_(false);
  const names = trainedNames(all.keys(), recipe);
  for (const name of names) all.get(name)!.requiresGrad_(true);
  return new Map([
    ...[...all].filter(([name]) => names.has(name)),
    ...(lora ? prefixed('transformer', lora.namedParameters()) : []),
  ]);
}

interface TextParts {
  encoder: T5Encoder;
  tokenizer: PromptTokenizer;
  files: TokenizerFiles;
}

function textEncoderOf(recipe: PipelineRecipe, ownTasks?: readonly Task[]): TextParts {
  const { from } = recipe.textEncoder;
  if (from) {
    const folder = join(from, 'text_encoder');
    const path = join(folder, 'config.json');
    const encoder = new T5Encoder(parseT5Config(readJson(path), path));
    loadWeights(encoder, folder, 'model', null);
    const files = tokenizerFiles(join(from, 'tokenizer'));
    return { encoder, tokenizer: new PromptTokenizer(files, from), files };
  }
  const { vocabSize, ...files } = buildTokenizer(vocabulary(recipe, ownTasks));
  const encoder = new T5Encoder(textEncoderConfigOf(recipe, vocabSize)).initialise();
  return { encoder, tokenizer: new PromptTokenizer(files), files };
}

/** How much of a caption the recipe's text encoder will read; opens only the tokenizer. */
export function captionLimitFor(recipe: Recipe, ownTasks: readonly Task[] = []): CaptionLimit {
  const { base, textEncoder, pipeline } = recipe;
  const folder = base ?? textEncoder.from;
  const { promptLength = PipelineSettings.parse({}).promptLength } = pipeline;
  if (folder === undefined) {
    const tokenizer = new PromptTokenizer(buildTokenizer(vocabulary(recipe, ownTasks)));
    return captionLimit(tokenizer, promptLength, ownTasks);
  }
  // before a dry run a released pipeline need not be there
  if (!existsSync(join(folder, 'model_index.json'))) return RELEASED;
  const limit = captionLimitOf(folder, ownTasks);
  return {
    ...limit,
    tokens: base && pipeline.promptLength === undefined ? limit.tokens : promptLength,
  };
}

/** Number of scenes after which every word of the captions' small grammar has occurred. */
const VOCABULARY_SCENES = 4000;

/** Every word of captions, instructions and task tags, in a fixed order. */
function vocabulary(recipe: Recipe, ownTasks: readonly Task[] = []): string[] {
  const words = new Set<string>();
  const collect = (text: string) => {
    for (const word of text.split(' ')) words.add(word);
  };
  for (const task of allTasks(ownTasks)) collect(taggedPrompt('', task));
  for (let seed = 0; seed < VOCABULARY_SCENES; seed++) {
    for (const split of ['train', 'heldout'] as const) {
      const scene = drawScene(seed, { split });
      collect(captionOf(scene, 17));
      collect(editOf(scene).instruction);
    }
  }
  // of recipes whose scenes are all plain, it stays as it is
  const sources = [recipe.data, ...stagesOf(recipe).map(({ data }) => data)].flat();
  const others = sources.some(
    ({ miniworld: { photos, moreShapes, solids } = {} }) => photos ?? moreShapes ?? solids,
  );
  for (let seed = 0; others && seed < VOCABULARY_SCENES; seed++) {
    const scene = drawWorld(seed, { look: true, moreShapes: true, solids: [1, 4] });
    collect(captionOf(scene, 17));
    collect(editOf(scene).instruction);
  }
  return [...words].sort();
}
