/** A depth model small enough to run many times in a test. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  DepthAnything,
  parseDepthAnythingConfig,
} from '../../../src/models/depth-anything/index.js';
import { manualSeed, noGrad, saveSafetensors, tidy } from '../../../src/tensor/index.js';

export const TINY_BACKBONE = {
  model_type: 'dinov2',
  hidden_size: 12,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  image_size: 12,
  patch_size: 4,
  out_indices: [1, 2, 3],
  reshape_hidden_states: false,
};

export const TINY = {
  backbone_config: TINY_BACKBONE,
  patch_size: 4,
  reassemble_hidden_size: 12,
  reassemble_factors: [2, 1, 0.5],
  neck_hidden_sizes: [4, 6, 8],
  fusion_hidden_size: 8,
  head_hidden_size: 4,
};

/** Random weights, positions far from 0, and a depth above 0 everywhere. */
export function tinyModel(
  changes: Record<string, unknown> = {},
  backbone: Record<string, unknown> = {},
): DepthAnything {
  manualSeed(1);
  const source = { ...TINY, backbone_config: { ...TINY_BACKBONE, ...backbone }, ...changes };
  const model = new DepthAnything(parseDepthAnythingConfig(source));
  noGrad(() => {
    model.backbone.embeddings.positions.normal_(0, 1);
    model.namedParameters().get('head.conv3.bias')!.fill_(2);
  });
  return model;
}

/** Writes the folder of such a model, which sees pictures at 16x16. */
export function saveTinyDepthModel(
  folder: string,
  changes: Record<string, unknown> = {},
  processor: Record<string, unknown> = {},
): string {
  mkdirSync(folder, { recursive: true });
  const json = (name: string, value: unknown) =>
    writeFileSync(join(folder, name), JSON.stringify(value));
  json('config.json', { ...TINY, ...changes });
  json('preprocessor_config.json', {
    image_processor_type: 'DPTImageProcessor',
    size: { height: 16, width: 16 },
    keep_aspect_ratio: true,
    ensure_multiple_of: 4,
    ...processor,
  });
  tidy(() => saveSafetensors(join(folder, 'model.safetensors'), tinyModel(changes).stateDict()));
  return folder;
}
