/**
 * Checks a run before it begins: its folders, its networks, and the patterns that choose their
 * weights. Only configurations and the headers of weight files are read.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listProblems } from '../check-config.js';
import { checkDataset } from '../data/sources/dataset.js';
import { expectDataSet } from '../data/sources/manifest.js';
import { InputError } from '../errors.js';
import { Autoencoder } from '../models/autoencoder/index.js';
import { openDepthModel } from '../models/depth-anything/index.js';
import { T5Encoder, tokenizerFiles } from '../models/t5/index.js';
import { Transformer3D } from '../models/transformer/index.js';
import { lowRankTargets } from '../models/transformer/parameters.js';
import { expectSoundWeights, loadWeights, withParameters } from '../nn/index.js';
import { openPipeline } from '../pipeline/index.js';
import { PIPELINE_PRESETS, type PipelineShape } from '../pipeline/shape.js';
import { trainedNetworks } from './cost/trained-networks.js';
import { type Datasets, missingDataset } from './feed/index.js';
import { expectToStartFrom } from './networks/initial/initial-weights.js';
import { hasVelocity, NO_VELOCITY } from './networks/initial/other-form.js';
import {
  firstWeightsOf,
  type PipelineRecipe,
  type Recipe,
  type Source,
  trainedDepthModel,
  trainsPipeline,
} from './recipe/config.js';
import { isToCome, withDepthModel } from './recipe/depth-model.js';
import { missingBlocks } from './recipe/missing-blocks.js';
import { recipeShape, undoesSteps } from './recipe/networks.js';
import { stagesOf } from './recipe/stages.js';

export interface CheckOptions {
  /** nothing will be trained, so released pipelines need not be there yet; see `recipeShape` */
  dryRun?: boolean;
  /** also reads every stored weight, to check that it is finite; never in a dry run */
  weights?: boolean;
  /** the data sets that the program provides */
  datasets?: Datasets;
}

/** @throws InputError listing every problem that would keep the run from beginning or resuming */
export function expectTrainable(recipe: Recipe, options: CheckOptions = {}): void {
  const { photos, from } = recipe.depthModel ?? {};
  all(recipe, [
    () => photos !== undefined && expectDataSet(photos),
    () => from !== undefined && openDepthModel(from).network.dispose(),
  ]);
  if (trainsPipeline(recipe)) expectTrainablePipeline(recipe, options);
}

function expectTrainablePipeline(
  recipe: PipelineRecipe,
  { dryRun = false, weights = true, datasets = {} }: CheckOptions,
): void {
  const { base, init, autoencoder, textEncoder, transformer } = recipe;
  const missing = new Set<string>();
  const named: [key: string, folder: string | undefined][] = [
    ['base', base],
    ['autoencoder.from', autoencoder.from],
    ['textEncoder.from', textEncoder.from],
    ['transformer.from', transformer.from],
    ['init', init],
  ];
  const released = (PIPELINE_PRESETS as readonly string[]).includes(transformer.preset);
  all(recipe, [
    ...manifestsOf(recipe).map((path) => () => expectDataSet(path)),
    () => expectDatasets(recipe, datasets),
    ...named.map(([key, folder]) => () => {
      if (folder === undefined || existsSync(join(folder, 'model_index.json'))) return;
      missing.add(folder);
      if (dryRun && released && key !== 'init') return;
      throw new InputError(`${key}: must be a pipeline folder, got ${folder}, which is none`);
    }),
  ]);
  const isTrained = recipe.depth.model === undefined && trainedDepthModel(recipe) !== null;
  const isAbsent = isTrained || (dryRun && isToCome(recipe));
  const depthModel = isAbsent ? undefined : withDepthModel(recipe).depth.model;
  const isThere = (folder: string | undefined): folder is string =>
    folder !== undefined && !missing.has(folder);

  const shape = recipeShape(recipe);
  const networks = withParameters({ device: 'meta' }, () => ({
    transformer: new Transformer3D(shape.transformer),
    textEncoder: new T5Encoder(shape.textEncoder),
    autoencoder: new Autoencoder(shape.autoencoder),
  }));
  all(recipe, [
    () => expectToTrain(recipe, shape),
    ...missingBlocks(recipe, shape.transformer.num_layers).map((problem) => () => {
      throw new InputError(problem);
    }),
    () => expectVelocity(recipe, shape),
    ...[...new Set([base, autoencoder.from])]
      .filter(isThere)
      .map((folder) => () => openPipeline(folder).dispose()),
    () => {
      if (!isThere(textEncoder.from)) return;
      loadWeights(networks.textEncoder, join(textEncoder.from, 'text_encoder'), 'model', null);
      tokenizerFiles(join(textEncoder.from, 'tokenizer'));
    },
    () => {
      const from = firstWeightsOf(recipe);
      const key = transformer.from ? 'transformer.from' : 'init';
      if (isThere(from)) expectToStartFrom(networks, from, key);
    },
    () => {
      if (depthModel !== undefined) openDepthModel(depthModel).network.dispose();
    },
    () => {
      if (!init || base || autoencoder.from) return;
      loadWeights(networks.autoencoder, join(init, 'vae'), 'diffusion_pytorch_model', null);
    },
  ]);
  for (const network of Object.values(networks)) network.dispose();
  if (dryRun || !weights) return;
  all(
    recipe,
    [...storedNetworks(recipe), ...(depthModel ? [[depthModel, 'model'] as const] : [])].map(
      ([folder, file]) =>
        () =>
          expectSoundWeights(folder, file),
    ),
  );
}

/** The networks of a pipeline folder, and the names of their weight files. */
const PARTS = {
  transformer: 'diffusion_pytorch_model',
  vae: 'diffusion_pytorch_model',
  text_encoder: 'model',
} as const;
type Part = keyof typeof PARTS;

/** The folders of the networks that training begins with, and the names of their weight files. */
function storedNetworks(recipe: PipelineRecipe): Map<string, string> {
  const { base, init, autoencoder, textEncoder } = recipe;
  const from = firstWeightsOf(recipe);
  const all: [string | undefined, readonly Part[]][] = [
    [base, ['transformer', 'vae', 'text_encoder']],
    [base ? undefined : (autoencoder.from ?? init), ['vae']],
    [textEncoder.from, ['text_encoder']],
    [from, ['transformer', 'text_encoder']],
  ];
  return new Map(
    all.flatMap(([folder, parts]) =>
      folder === undefined ? [] : parts.map((part) => [join(folder, part), PARTS[part]] as const),
    ),
  );
}

const sourcesOf = (recipe: PipelineRecipe): Source[] =>
  [recipe.data, ...stagesOf(recipe).map(({ data }) => data)].flat();

/** The paths of a recipe's data sets in files, and of the photos of its scenes. */
const manifestsOf = (recipe: PipelineRecipe): string[] => [
  ...new Set(
    sourcesOf(recipe).flatMap(({ manifest, miniworld }) => manifest ?? miniworld?.photos ?? []),
  ),
];

/** Checks that the program provides the data sets that the recipe names, and no others. */
function expectDatasets(recipe: PipelineRecipe, datasets: Datasets): void {
  const named = new Set(sourcesOf(recipe).flatMap(({ dataset }) => dataset ?? []));
  for (const name of named) {
    if (!Object.hasOwn(datasets, name)) throw new InputError(missingDataset(name));
  }
  for (const [name, dataset] of Object.entries(datasets)) {
    checkDataset(dataset, `datasets.${name}`);
    if (named.has(name)) continue;
    throw new InputError(
      `datasets.${name}: the recipe does not name it; add { dataset: "${name}" } to its data`,
    );
  }
}

/** @throws InputError for a base that can only be distilled or get LoRA, if it is to be trained in another way */
function expectVelocity(recipe: PipelineRecipe, { transformer }: PipelineShape): void {
  if (hasVelocity(transformer) || !undoesSteps(recipe, { transformer })) return;
  throw new InputError(`base: ${recipe.base} ${NO_VELOCITY}`);
}

/** Checks that patterns match some weight, and that LoRA ranks fit the layers. */
function expectToTrain(recipe: PipelineRecipe, shape: PipelineShape): void {
  trainedNetworks(recipe, shape, 'float32');
  const { lora } = recipe.transformer;
  if (!lora) return;
  for (const [name, sides] of lowRankTargets(shape.transformer, lora.targets)) {
    const most = Math.min(...sides);
    if (lora.rank <= most) continue;
    throw new InputError(
      `lora.rank: must be at most ${most}, the narrower side of ${name}, got ${lora.rank}`,
    );
  }
}

/** Runs all checks. @throws InputError with the sentences of all that fail */
function all({ name }: Recipe, checks: readonly (() => unknown)[]): void {
  const problems: InputError[] = [];
  for (const check of checks) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(error);
    }
  }
  if (problems.length === 0) return;
  if (problems.length === 1) throw problems[0];
  const sentences = problems.map(({ message }) => message);
  throw new InputError(listProblems(name, sentences));
}
