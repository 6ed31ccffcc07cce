import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TRANSFORMER_PRESETS,
  type TransformerConfig,
} from '../../../src/models/transformer/config.js';
import { parseTransformerConfig, Transformer3D } from '../../../src/models/transformer/index.js';
import {
  hiddenMatrices,
  lowRankElements,
  matricesOfWidth,
  parameterShapes,
  parameterSizes,
} from '../../../src/models/transformer/parameters.js';
import { withParameters } from '../../../src/nn/index.js';
import { LoraConfig } from '../../../src/nn/lora-config.js';

/** On the meta device parameters have shapes and no memory. */
function builtShapes(config: TransformerConfig): Map<string, number[]> {
  const model = withParameters({ device: 'meta' }, () => new Transformer3D(config));
  return new Map([...model.namedParameters()].map(([name, { shape }]) => [name, shape]));
}

const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);

describe('parameterShapes', () => {
  for (const [name, config] of Object.entries(TRANSFORMER_PRESETS)) {
    test(`has names and shapes of ${name} as it is built`, () => {
      assert.deepEqual([...parameterShapes(config)], [...builtShapes(config)]);
    });
  }

  test('follows every key that adds or changes parameters', () => {
    const changes: Partial<TransformerConfig>[] = [
      { adaln_norm_type: 'layernorm' },
      { attention_bias: false },
      { add_motion_score: false, use_depth_cond: false },
      { deltatime_type: 'r' },
      { cross_attention_dim: [64, 96] },
      { num_layers: 4, num_block_chunks: 2 },
      { out_channels: 8, patch_size: 4 },
    ];
    for (const change of changes) {
      const config = parseTransformerConfig({ ...TRANSFORMER_PRESETS['mfm-mini'], ...change });
      const names = JSON.stringify(change);
      assert.deepEqual([...parameterShapes(config)], [...builtShapes(config)], names);
    }
  });
});

describe('parameterSizes', () => {
  test('shares all parameters out to adapter, blocks and others', () => {
    const { adapter, blocks, others } = parameterSizes(TRANSFORMER_PRESETS['mfm-2b']);
    // the block by hand: adaLN 6 D D, self-attention 4, cross-attention 2 and 2 T D, MLP 8
    const [d, t] = [1792, 2048];
    const block =
      (6 + 4 + 2 + 8) * d * d + 2 * t * d + (6 + 4 + 4 + 4 + 1) * d + (1 + 2 + 1 + 2 + 1) * d;
    assert.equal(sum(blocks), 28 * block);
    const all = [...builtShapes(TRANSFORMER_PRESETS['mfm-2b'])];
    const whole = sum(all.map(([, shape]) => shape.reduce((a, b) => a * b)));
    assert.equal(sum([...adapter, ...blocks, ...others]), whole);
  });
});

test('matrices are told apart by what they read', () => {
  const config = TRANSFORMER_PRESETS['mfm-mini'];
  const shapes = parameterShapes(config);
  // adaLN, eight of the attentions, two of the MLP
  assert.equal(hiddenMatrices(config).length, 8 * 11);
  const scaled = matricesOfWidth(config);
  // without the keys and values of the text; two second layers of embeddings, two at the end
  assert.equal(scaled.length, 8 * 9 + 4);
  for (const name of scaled) assert.ok([256, 1024].includes(shapes.get(name)![1]!), name);
});

describe('lowRankElements', () => {
  test('has two a linear layer of a block, rank times its width on either side', () => {
    const config = TRANSFORMER_PRESETS['mfm-mini'];
    const [d, t] = [256, 128];
    const attention = 6 * 2 * d + 2 * (d + t); // all eight; two read the text
    assert.equal(
      sum([...lowRankElements(config, LoraConfig.parse({ rank: 4 })).values()]),
      8 * 4 * (attention + 2 * 5 * d),
    );
    const only = [...lowRankElements(config, { rank: 4, targets: ['attn1.q_proj'] }).values()];
    assert.deepEqual([only.length, sum(only)], [16, 8 * 4 * 2 * d]);
  });
});
