/**
 * What a run folder holds, and whether training can begin or resume there without losing anything.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import {
  adapterPlanOf,
  onlyDistils,
  type Recipe,
  trainedDepthModel,
  trainsPipeline,
} from '../recipe/config.js';
import { checkpointsIn } from './checkpoint-names.js';
import { differences } from './differences.js';
import { readMetrics } from './metrics.js';
import { readStatus } from './status.js';
import { asStored, storedRecipe } from './stored-recipe.js';

interface Trained {
  part: string;
  /** the last step that is known */
  step: number;
}

interface RunContents {
  /** does it have a recipe.json or a status.json? */
  begun: boolean;
  /** parts that have checkpoints, intact or not */
  checkpoints: Set<string>;
  trained: Trained[];
  /** folders that hold results of the run */
  results: string[];
}

/**
 * Checks that a new run may begin in a folder.
 * @throws InputError if it would overwrite another run, unless that failed before its first step
 */
export function expectToBegin(folder: string): void {
  if (existsSync(join(folder, 'model_index.json'))) {
    throw new InputError(`${folder}: is a pipeline; name another folder for the run with \`run\``);
  }
  const contents = contentsOf(folder);
  const { begun, checkpoints, trained, results } = contents;
  const isEmpty = checkpoints.size === 0 && trained.length === 0 && results.length === 0;
  if (isEmpty && (!begun || readStatus(folder)?.state === 'failed')) return;
  expectCheckpoints(folder, contents, () => true);
  throw new InputError(
    `${folder}: holds a run already; \`resume: true\` goes on with it, \`run: FOLDER\` starts another`,
  );
}

/**
 * Checks that the run in a folder may resume with `recipe`.
 * @throws InputError if the checkpoints that it needs are gone, or belong to other weights
 */
export function expectToGoOn(folder: string, recipe: Recipe): void {
  const contents = contentsOf(folder);
  const { autoencoder, base } = recipe;
  const isTrained: Record<string, boolean> = {
    // a finished autoencoder is stored by itself
    depthModel: trainedDepthModel(recipe) !== null,
    autoencoder:
      trainsPipeline(recipe) &&
      !base &&
      !autoencoder.from &&
      !existsSync(join(folder, 'autoencoder.safetensors')),
    adapter: trainsPipeline(recipe) && adapterPlanOf(recipe) !== undefined,
    transformer: trainsPipeline(recipe) && !onlyDistils(recipe),
    distillation: recipe.distillation !== undefined,
  };
  expectCheckpoints(folder, contents, (part) => isTrained[part] ?? false);
  expectSameWeights(folder, recipe, contents.checkpoints);
}

/** Has the distillation saved a checkpoint here? Then the run's result is its, no longer the teacher. */
export const hasBegunToDistil = (folder: string): boolean =>
  contentsOf(folder).checkpoints.has('distillation');

/**
 * Has the transformer's training, or its distillation, saved a checkpoint here? Then its initial
 * weights were checked before.
 */
export const hasBegunFromWeights = (folder: string): boolean =>
  hasTransformer(contentsOf(folder).checkpoints);

const hasTransformer = (checkpoints: ReadonlySet<string>): boolean =>
  checkpoints.has('transformer') || checkpoints.has('distillation');

function expectCheckpoints(
  folder: string,
  { checkpoints, trained, results }: RunContents,
  isTrained: (part: string) => boolean,
): void {
  const left = results.length > 0 ? `; its result is in ${results.join(' and ')}` : '';
  const weights = results.includes('pipeline/')
    ? ` (${join(folder, 'pipeline')} can be its base, or its \`init\`)`
    : '';
  const remedy = `put them back, or begin another run with \`run: FOLDER\`${weights}, or delete ${folder} to start over`;
  const lost = trained.find(({ part }) => isTrained(part) && !checkpoints.has(part));
  if (lost) {
    throw new InputError(
      `${folder}: has trained its ${lost.part} to step ${lost.step}, and no checkpoint is left to go on from${left}; ${remedy}`,
    );
  }
  if (results.length > 0 && !hasTransformer(checkpoints)) {
    throw new InputError(
      `${folder}: holds ${results.join(' and ')} of a run, and no checkpoint to go on from; ${remedy}`,
    );
  }
}

/** Keys that determine the weights of a checkpoint, or the weights that it started from. */
const OF_WEIGHTS = [
  'base',
  ...['from', 'blockOutChannels', 'layersPerBlock', 'normNumGroups'].map(
    (key) => `autoencoder.${key}`,
  ),
  ...['from', 'width', 'numLayers'].map((key) => `textEncoder.${key}`),
  ...['width', 'height', 'patchSize', 'hiddenSize', 'numLayers', 'numHeads'].map(
    (key) => `depthModel.${key}`,
  ),
  ...['neckChannels', 'fusionChannels', 'headChannels'].map((key) => `depthModel.${key}`),
  ...['preset', 'numLayers', 'numHeads', 'adapterChannels', 'lora', 'train', 'freeze'].map(
    (key) => `transformer.${key}`,
  ),
];

/** @throws InputError if the recipe changes a key that determined the weights in the checkpoints */
function expectSameWeights(folder: string, recipe: Recipe, checkpoints: Set<string>): void {
  const before = storedRecipe(folder);
  if (!before || checkpoints.size === 0) return;
  const withText = checkpoints.has('adapter') || hasTransformer(checkpoints);
  const isFixed = (key: string) =>
    (withText || !/^(transformer|textEncoder)\./.test(key)) &&
    (checkpoints.has('depthModel') || !key.startsWith('depthModel.')) &&
    OF_WEIGHTS.some((own) => key === own || key.startsWith(`${own}.`));
  const changes = differences([before, recipe].map(asStored)).filter(
    ({ key, values: [was, now] }) => isFixed(key) && !(isPath(key) && isSameOrGone(was, now)),
  );
  if (changes.length === 0) return;
  const named = changes.map(({ key, values }) => {
    const [was, now] = values.map((value) => JSON.stringify(value) ?? 'none');
    return `${key} ${was}, not ${now}`;
  });
  throw new InputError(
    `${folder}: its weights began with ${named.join('; ')}; change that back, or begin another run with \`run: FOLDER\``,
  );
}

const isPath = (key: string): boolean => key === 'base' || key.endsWith('.from');

/** Do two paths lead to the same folder? One that is gone may have been moved to the other. */
function isSameOrGone(was: unknown, now: unknown): boolean {
  if (typeof was !== 'string' || typeof now !== 'string') return false;
  try {
    return realpathSync(was) === realpathSync(now);
  } catch {
    return true;
  }
}

function contentsOf(folder: string): RunContents {
  const isThere = (name: string) => existsSync(join(folder, name));
  return {
    begun: isThere('recipe.json') || isThere('status.json'),
    checkpoints: new Set(checkpointsIn(join(folder, 'checkpoints')).map(({ part }) => part)),
    trained: trainedParts(folder),
    results: [
      ...(isThere('pipeline/model_index.json') ? ['pipeline/'] : []),
      ...(filesIn(join(folder, 'lora')).length > 0 ? ['lora/'] : []),
    ],
  };
}

/** The parts that a run has trained, each with its last step, by its metrics and its status. */
function trainedParts(folder: string): Trained[] {
  const found = new Map(readMetrics(folder).map(({ part, step }) => [part, step]));
  const status = readStatus(folder);
  if (status) found.set(status.part, Math.max(status.step, found.get(status.part) ?? 0));
  return [...found].map(([part, step]) => ({ part, step })).filter(({ step }) => step > 0);
}

function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
