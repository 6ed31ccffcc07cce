/** The depth model that a recipe's depth comes from. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { readJson } from '../../files/read-json.js';
import {
  DEPTH_ANYTHING_PRESETS,
  DEPTH_ANYTHING_PROCESSOR,
  type DepthAnythingConfig,
  type DepthProcessorConfig,
  parseDepthAnythingConfig,
  parseDepthProcessorConfig,
} from '../../models/depth-anything/index.js';
import { resolvePipeline } from '../../pipeline/find.js';
import { depthFolderOf, readSettings } from '../../pipeline/index.js';
import { PIPELINE_PRESETS } from '../../pipeline/shape.js';
import { onlyDistils, type PipelineRecipe, trainedDepthModel } from './config.js';
import { depthConfigOf, depthProcessorOf, recipeShape } from './networks.js';

/**
 * A recipe whose `depth` says what is done: `model` is the folder of the model that is used, if any
 * is, and `from` is none where the transformer has no channel for depth.
 *
 * @param carried   the depth model that the trained pipeline will carry, if it has one of its own
 * @throws InputError if a model is needed and there is none
 */
export function withDepthModel<R extends PipelineRecipe>(
  recipe: R,
  carried = recipe.depthModel?.from,
): R {
  const { from } = recipe.depth;
  // a transformer that is only distilled is given what it knows, and what it is given in use
  if (onlyDistils(recipe) && !knowsDepth(recipe.base!)) return withoutDepth(recipe);
  if (!recipeShape(recipe).transformer.use_depth_cond) return withoutDepth(recipe);
  const model = from === 'auto' || from === 'model' ? folderOf(recipe, carried) : undefined;
  if (from === 'model' && model === undefined) {
    throw new InputError(
      'depth.from: model needs a depth model; name its folder as depth.model, or take depth from elsewhere',
    );
  }
  return { ...recipe, depth: { ...recipe.depth, model } };
}

const withoutDepth = <R extends PipelineRecipe>(recipe: R): R => ({
  ...recipe,
  depth: { ...recipe.depth, from: 'none', model: undefined },
});

/** Do known frames have depth in use? A pipeline that is not there yet is a released one. */
const knowsDepth = (base: string): boolean =>
  !existsSync(join(base, 'model_index.json')) || readSettings(base).usesDepth;

/** The same before a dry run, in which a model need not be there yet. */
export const withPlannedModel = <R extends PipelineRecipe>(recipe: R): R =>
  isToCome(recipe) ? recipe : withDepthModel(recipe);

function folderOf(
  { depth, base }: PipelineRecipe,
  carried: string | undefined,
): string | undefined {
  if (depth.model !== undefined) return resolvePipeline(depth.model);
  if (carried !== undefined) return carried;
  return (base === undefined ? null : depthFolderOf(base)) ?? undefined;
}

/** What a depth model costs follows from these. */
export interface DepthShape {
  config: DepthAnythingConfig;
  processor: DepthProcessorConfig;
}

/**
 * The shape of a recipe's depth model; null if it has none. Where the recipe is for the size of a
 * released pipeline, a folder that does not exist yet is assumed to hold the small published model.
 *
 * @throws InputError as `withDepthModel` does
 */
export function depthShapeOf(recipe: PipelineRecipe): DepthShape | null {
  const trained = trainedDepthModel(recipe);
  if (recipe.depth.model === undefined && trained) {
    return { config: depthConfigOf(trained), processor: depthProcessorOf(trained) };
  }
  if (isToCome(recipe)) return RELEASED_MODEL;
  const { model } = withDepthModel(recipe).depth;
  if (model === undefined) return null;
  const read = (name: string) => {
    const path = join(model, name);
    return [readJson(path), path] as const;
  };
  return {
    config: parseDepthAnythingConfig(...read('config.json')),
    processor: parseDepthProcessorConfig(...read('preprocessor_config.json')),
  };
}

/** Is the model one that has still to be trained or, for a recipe of a released size, downloaded? */
export function isToCome(recipe: PipelineRecipe): boolean {
  const { depth, transformer } = recipe;
  const { model } = depth;
  if (model === undefined && trainedDepthModel(recipe)) return true;
  const released = (PIPELINE_PRESETS as readonly string[]).includes(transformer.preset);
  if (!released || model === undefined || existsSync(model)) return false;
  try {
    return !existsSync(resolvePipeline(model));
  } catch (error) {
    if (error instanceof InputError) return true;
    throw error;
  }
}

const RELEASED_MODEL: DepthShape = {
  config: DEPTH_ANYTHING_PRESETS['depth-anything-v2-small'],
  processor: DEPTH_ANYTHING_PROCESSOR,
};
