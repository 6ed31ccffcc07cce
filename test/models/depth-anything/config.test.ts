import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import {
  DEPTH_ANYTHING_PRESETS,
  DepthAnything,
  parseDepthAnythingConfig,
  parseDepthProcessorConfig,
} from '../../../src/models/depth-anything/index.js';
import { withParameters } from '../../../src/nn/index.js';
import { TINY, TINY_BACKBONE } from './tiny.js';

const refuses = (parse: () => unknown, key: string) =>
  assert.throws(
    parse,
    (error: Error) => error instanceof InputError && error.message.includes(key),
    key,
  );

describe('parseDepthAnythingConfig', () => {
  test('reads a published config with keys that have no effect', () => {
    const config = parseDepthAnythingConfig({
      ...TINY,
      architectures: ['DepthAnythingForDepthEstimation'],
      model_type: 'depth_anything',
      backbone: null,
      use_pretrained_backbone: false,
      torch_dtype: 'float32',
      transformers_version: null,
      max_depth: null,
      backbone_config: {
        ...TINY_BACKBONE,
        architectures: ['Dinov2Model'],
        out_features: ['stage1', 'stage2', 'stage3'],
        pruned_heads: {},
        id2label: { 0: 'LABEL_0' },
      },
    });
    assert.equal(config.backbone_config.hidden_size, 12);
    assert.equal(config.backbone_config.apply_layernorm, true);
  });

  test('fills in the class defaults, a whole backbone too', () => {
    const config = parseDepthAnythingConfig({});
    assert.deepEqual(config.backbone_config.out_indices, [9, 10, 11, 12]);
    assert.equal(config.backbone_config.reshape_hidden_states, false);
    assert.deepEqual(config.reassemble_factors, [4, 2, 1, 0.5]);
  });

  test('refuses by name what it does not follow', () => {
    const top: [string, unknown][] = [
      ['model_type', 'prompt_depth_anything'],
      ['backbone', 'dinov2_vits14'],
      ['use_timm_backbone', true],
      ['backbone_kwargs', { out_indices: [1] }],
      ['depth_estimation_type', 'inverse'],
      ['patch_size', 14],
      ['reassemble_hidden_size', 16],
      ['reassemble_factors', [2.5, 1, 0.5]],
      ['reassemble_factors', [2, 1]],
      ['neck_hidden_sizes', [4, 6]],
      ['head_in_index', 3],
      ['no_such_key', 1],
    ];
    for (const [key, value] of top) {
      refuses(() => parseDepthAnythingConfig({ ...TINY, [key]: value }), key);
    }
    const backbone: [string, unknown][] = [
      ['model_type', 'dinov2_with_registers'],
      ['hidden_act', 'mish'],
      ['num_attention_heads', 5],
      ['num_channels', 1],
      ['image_size', [8, 12]],
      ['pruned_heads', { 0: [1] }],
      ['out_indices', [1, 3, 2]],
      ['out_indices', [1, 2, 4]],
      ['out_features', ['stage1', 'stage2', 'stem']],
      ['no_such_key', 1],
    ];
    for (const [key, value] of backbone) {
      const backbone_config = { ...TINY_BACKBONE, [key]: value };
      refuses(() => parseDepthAnythingConfig({ ...TINY, backbone_config }), key);
    }
  });
});

test('the preset has the published size', () => {
  const config = DEPTH_ANYTHING_PRESETS['depth-anything-v2-small'];
  const model = withParameters({ device: 'meta' }, () => new DepthAnything(config));
  assert.equal((model.parameterCount() / 1e6).toFixed(1), '24.8');
});

test('a preprocessor config is read with its defaults, or refused by name', () => {
  const config = parseDepthProcessorConfig({
    image_processor_type: 'DPTImageProcessor',
    size: 28,
    image_mean: null,
    size_divisor: null,
  });
  assert.deepEqual([config.size, config.image_mean, config.resample], [28, [0.5, 0.5, 0.5], 3]);
  const refused: [string, unknown][] = [
    ['image_processor_type', 'BitImageProcessor'],
    ['size', { shortest_edge: 518 }],
    ['resample', 5],
    ['do_center_crop', true],
    ['no_such_key', 1],
  ];
  for (const [key, value] of refused) {
    refuses(() => parseDepthProcessorConfig({ [key]: value }), key);
  }
  refuses(() => parseDepthProcessorConfig({ do_pad: true }), 'size_divisor');
});
