import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import {
  parseTransformerConfig,
  TRANSFORMER_PRESETS,
  Transformer3D,
} from '../../../src/models/transformer/index.js';
import { withParameters } from '../../../src/nn/index.js';
import { tinyConfig } from './tiny.js';

describe('parseTransformerConfig', () => {
  test('reads a published config with keys that have no effect', () => {
    const config = tinyConfig({
      _class_name: 'Transformer3DModel',
      _diffusers_version: '0.31.0',
      sample_size: 64,
      num_embeds_ada_norm: 1000,
      sequence_parallel_size: 0,
      gradient_checkpointing: 'full-block',
      patch_size_t: 1,
    });
    assert.equal(config.num_layers, 2);
  });

  test('refuses by name what it does not follow', () => {
    const refused: [string, unknown][] = [
      ['condition_type', 'latent_concat'],
      ['activation_fn', 'geglu'],
      ['patch_size_t', 2],
      ['attention_head_dim', 24],
      ['num_block_chunks', 3],
      ['no_such_key', 1],
    ];
    for (const [key, value] of refused) {
      assert.throws(
        () => tinyConfig({ [key]: value }),
        (error: Error) => error instanceof InputError && error.message.includes(key),
        key,
      );
    }
    assert.throws(() => parseTransformerConfig(null), InputError);
  });
});

test('only a flow map has the key of one, so that other programs can read the others', () => {
  assert.ok(!('deltatime_type' in tinyConfig()));
  assert.equal(tinyConfig({ deltatime_type: 'r' }).deltatime_type, 'r');
  assert.throws(() => tinyConfig({ deltatime_type: 'x' }), /deltatime_type/);
});

test('the presets have the published sizes', () => {
  const count = (name: keyof typeof TRANSFORMER_PRESETS) =>
    withParameters(
      { device: 'meta' },
      () => new Transformer3D(TRANSFORMER_PRESETS[name]),
    ).parameterCount();
  assert.equal(Math.round(count('mfm-2b') / 1e8), 20);
  assert.ok(count('mfm-8b') > 7e9 && count('mfm-8b') < 9e9);
  assert.ok(count('mfm-mini') < 13e6);
});
