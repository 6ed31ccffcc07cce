/** The configurations of a recipe's networks; nothing is built, and no weight is read. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { type AutoencoderConfig, parseAutoencoderConfig } from '../../models/autoencoder/config.js';
import { DepthAnythingConfig, DepthProcessorConfig } from '../../models/depth-anything/index.js';
import { parseT5Config, type T5Config } from '../../models/t5/config.js';
import {
  isFlowMap,
  TRANSFORMER_PRESETS,
  type TransformerConfig,
} from '../../models/transformer/config.js';
import { fastDtype } from '../../nn/index.js';
import {
  PIPELINE_PRESETS,
  type PipelineShape,
  presetShape,
  readShape,
  shapeOf,
} from '../../pipeline/shape.js';
import type { TrainedNetworks } from '../cost/trained-networks.js';
import { type DepthModelPlan, onlyDistils, type PipelineRecipe, type Recipe } from './config.js';

/** The configuration of an autoencoder that is trained from scratch. */
export const autoencoderConfigOf = ({ autoencoder }: Recipe): AutoencoderConfig =>
  parseAutoencoderConfig({
    _class_name: 'AutoencoderKLCogVideoX',
    block_out_channels: autoencoder.blockOutChannels,
    layers_per_block: autoencoder.layersPerBlock,
    norm_num_groups: autoencoder.normNumGroups,
    scaling_factor: 1,
  });

/** The configuration of a depth model that is trained from scratch. */
export function depthConfigOf(plan: DepthModelPlan): DepthAnythingConfig {
  const { patchSize, hiddenSize, numLayers } = plan;
  return DepthAnythingConfig.parse({
    backbone_config: {
      model_type: 'dinov2',
      patch_size: patchSize,
      // a square, whose map of positions is resized for other pictures
      image_size: Math.floor(Math.min(plan.width, plan.height) / patchSize) * patchSize,
      hidden_size: hiddenSize,
      num_hidden_layers: numLayers,
      num_attention_heads: plan.numHeads,
      out_indices: [1, 2, 3, 4].map((quarter) => Math.round((quarter * numLayers) / 4)),
      use_mask_token: false,
      layerscale_value: LAYER_SCALE,
    },
    patch_size: patchSize,
    reassemble_hidden_size: hiddenSize,
    // half as fine as the published models', whose patches are nearly twice as large
    reassemble_factors: [2, 1, 1, 0.5],
    neck_hidden_sizes: plan.neckChannels,
    fusion_hidden_size: plan.fusionChannels,
    head_hidden_size: plan.headChannels,
  });
}

/** Few layers learn faster if their branches count from the start. */
const LAYER_SCALE = 0.3;

/** How pictures are prepared for that model: the shorter side gets the length of training. */
export const depthProcessorOf = ({ width, height, patchSize }: DepthModelPlan) =>
  DepthProcessorConfig.parse({
    size: { height, width },
    keep_aspect_ratio: true,
    ensure_multiple_of: patchSize,
    image_mean: [0.485, 0.456, 0.406],
    image_std: [0.229, 0.224, 0.225],
  });

/** The configuration of a text encoder that is trained from scratch. */
export const textEncoderConfigOf = ({ textEncoder }: Recipe, vocabSize: number): T5Config =>
  parseT5Config({
    vocab_size: vocabSize,
    d_model: textEncoder.width,
    d_kv: 32,
    d_ff: 2 * textEncoder.width,
    num_layers: textEncoder.numLayers,
    num_heads: textEncoder.width / 32,
    feed_forward_proj: 'gated-gelu',
  });

/** The configuration of a transformer that is trained from scratch. */
export function transformerConfigOf(
  { transformer }: PipelineRecipe,
  textWidth: number,
): TransformerConfig {
  const { preset, numLayers, numHeads, adapterChannels } = transformer;
  const base = TRANSFORMER_PRESETS[preset];
  return {
    ...base,
    num_layers: numLayers ?? base.num_layers,
    num_attention_heads: numHeads ?? base.num_attention_heads,
    cross_attention_dim: textWidth,
    cond_block_out_channels: adapterChannels ?? base.cond_block_out_channels,
  };
}

/** Number of words in MiniWorld's captions, instructions and tags; measured. */
const MINIWORLD_WORDS = 143;

/**
 * All networks of a recipe. Where the recipe is for the size of a released pipeline, a folder that
 * does not exist yet is assumed to hold that pipeline.
 *
 * @throws InputError naming a folder that is needed and is not a pipeline
 */
export function recipeShape(recipe: PipelineRecipe): PipelineShape {
  const { base, autoencoder, textEncoder, transformer } = recipe;
  const released = PIPELINE_PRESETS.find((name) => name === transformer.preset);
  const given = (key: string, folder: string): PipelineShape => {
    if (existsSync(join(folder, 'model_index.json'))) return readShape(folder);
    if (released) return presetShape(released);
    throw new InputError(`${key}: must be a pipeline folder, got ${folder}, which is none`);
  };
  if (base) {
    const shape = given('base', base);
    if (!undoesSteps(recipe, shape) || shape.transformer.deltatime_type === 'r') return shape;
    const { deltatime_type: _, ...velocity } = shape.transformer;
    return shapeOf({ ...shape, transformer: velocity });
  }
  const text = textEncoder.from
    ? given('textEncoder.from', textEncoder.from).textEncoder
    : textEncoderConfigOf(recipe, MINIWORLD_WORDS);
  return shapeOf({
    transformer: transformerConfigOf(recipe, text.d_model),
    autoencoder: autoencoder.from
      ? given('autoencoder.from', autoencoder.from).autoencoder
      : autoencoderConfigOf(recipe),
    textEncoder: text,
  });
}

/**
 * Does a recipe train the own weights of a base that is distilled to few steps? Flow matching would make
 * it forget these, so it is trained as the network of velocities that it also is. LoRA leaves the
 * weights as they are: its layers learn from steps without length, and work in others too.
 *
 * @param shape   of the base
 */
export const undoesSteps = (
  recipe: Recipe,
  { transformer }: Pick<PipelineShape, 'transformer'>,
): boolean => isFlowMap(transformer) && !onlyDistils(recipe) && !recipe.transformer?.lora;

/** A sentence for people, if the recipe undoes what its base was distilled to; else null. */
export function undoneNote(recipe: Recipe): string | null {
  const { base } = recipe;
  if (base === undefined || !existsSync(join(base, 'model_index.json'))) return null;
  if (!undoesSteps(recipe, readShape(base))) return null;
  return `base: ${base} samples in few steps, which training its own weights undoes: the result will take more, until \`mfm distil\` teaches it few again; a LoRA (transformer.lora) keeps them, and so does \`distillation: { velocity: data }\` in place of the transformer's plan`;
}

/**
 * The dtype that a device computes in. Training has no float16, whose gradients would need loss scaling:
 * cards before Ampere, which have no bfloat16, train in float32.
 */
export function dtypeOf({ dtype }: Recipe, device = 'cpu'): TrainedNetworks['dtype'] {
  if (dtype !== 'auto') return dtype;
  return fastDtype(device) === 'bfloat16' ? 'bfloat16' : 'float32';
}
