import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ShapeError } from '../../../src/errors.js';
import { Generator, noGrad, randn, type Tensor, tidy } from '../../../src/tensor/index.js';
import { tinyModel } from './tiny.js';

const picture = (...shape: number[]) => randn(shape, { generator: new Generator(3) });
const worst = (a: Tensor, b: Tensor) => a.sub(b).abs().amax().item();
const inScope = (fn: () => void) => () => noGrad(() => tidy(fn));

describe('DepthAnything', () => {
  test('names its parameters as published', () => {
    const names = [...tinyModel().namedParameters().keys()];
    for (const name of [
      'backbone.embeddings.mask_token',
      'backbone.embeddings.patch_embeddings.projection.bias',
      'backbone.encoder.layer.2.attention.attention.query.weight',
      'backbone.encoder.layer.2.attention.output.dense.weight',
      'backbone.encoder.layer.0.layer_scale2.lambda1',
      'neck.reassemble_stage.layers.0.resize.weight',
      'neck.fusion_stage.layers.0.residual_layer1.convolution2.bias',
      'head.conv3.weight',
    ]) {
      assert.ok(names.includes(name), name);
    }
    assert.ok(!names.includes('neck.reassemble_stage.layers.1.resize.weight')); // factor 1
    const gated = tinyModel({}, { use_swiglu_ffn: true, use_mask_token: false }).namedParameters();
    // two thirds of 48, a multiple of 8
    assert.deepEqual(gated.get('backbone.encoder.layer.0.mlp.weights_in.weight')!.shape, [64, 12]);
    assert.ok(!gated.has('backbone.embeddings.mask_token'));
  });

  test(
    'drops pixels that fill no patch',
    inScope(() => {
      const model = tinyModel();
      const x = picture(1, 3, 11, 22);
      const cropped = x.narrow(2, 0, 8).narrow(3, 0, 20);
      assert.deepEqual(model.forward(x).shape, [1, 8, 20]);
      assert.equal(worst(model.forward(x), model.forward(cropped)), 0);
      assert.throws(() => model.forward(picture(1, 3, 3, 20)), ShapeError);
      assert.throws(() => model.forward(picture(1, 4, 8, 20)), ShapeError);
    }),
  );

  test(
    'keeps the trained positions for a square of as many patches, and resizes them else',
    inScope(() => {
      const { embeddings } = tinyModel().backbone;
      assert.equal(worst(embeddings.positionsFor(12, 12), embeddings.positions), 0);
      assert.equal(worst(embeddings.positionsFor(14, 14), embeddings.positions), 0);
      const resized = embeddings.positionsFor(16, 8);
      assert.deepEqual(resized.shape, [1, 9, 12]);
      // the class position stays; what is the same everywhere stays the same
      assert.equal(worst(resized.narrow(1, 0, 1), embeddings.positions.narrow(1, 0, 1)), 0);
      embeddings.positions.fill_(0.25);
      assert.ok(worst(embeddings.positionsFor(16, 8), resized.mul(0).add(0.25)) < 1e-6);
    }),
  );

  test(
    'stages may be named either way and be maps, without another result',
    inScope(() => {
      const x = picture(2, 3, 12, 16);
      const want = tinyModel().forward(x);
      const same: Record<string, unknown>[] = [
        { out_indices: null, out_features: ['stage1', 'stage2', 'stage3'] },
        { out_indices: [1, 2, -1] },
        { reshape_hidden_states: true },
      ];
      for (const backbone of same) {
        assert.equal(worst(tinyModel({}, backbone).forward(x), want), 0);
      }
      const other: Record<string, unknown>[] = [
        { out_indices: [0, 2, 3] },
        { apply_layernorm: false },
        { hidden_act: 'relu' },
      ];
      for (const backbone of other) {
        assert.ok(worst(tinyModel({}, backbone).forward(x), want) > 1e-4);
      }
      tinyModel({}, { reshape_hidden_states: true }).forward(x, (name, { shape }) => {
        if (name.startsWith('backbone.feature_maps')) assert.deepEqual(shape, [2, 12, 3, 4]);
      });
    }),
  );

  test(
    'follows the sizes of the neck and the place of the head',
    inScope(() => {
      const model = tinyModel({ reassemble_factors: [3, 1, 0.25], head_in_index: 0 });
      const shapes = new Map<string, number[]>();
      const depth = model.forward(picture(1, 3, 20, 28), (name, { shape }) =>
        shapes.set(name, shape.slice(2)),
      );
      assert.deepEqual(shapes.get('neck.reassemble.0'), [15, 21]);
      assert.deepEqual(shapes.get('neck.reassemble.2'), [2, 2]);
      assert.deepEqual(shapes.get('neck.fusion.0'), [5, 7]);
      assert.deepEqual(shapes.get('neck.fusion.2'), [30, 42]);
      assert.deepEqual(shapes.get('head.conv1'), [5, 7]);
      assert.deepEqual(depth.shape, [1, 20, 28]);
    }),
  );

  test(
    'relative depth is never below 0, metric depth lies within its range',
    inScope(() => {
      const x = picture(1, 3, 12, 16);
      const relative = tinyModel().forward(x);
      assert.ok(relative.amin().item() > 0);
      assert.ok(worst(tinyModel({ max_depth: 3 }).forward(x), relative.mul(3)) < 1e-5);
      assert.equal(worst(tinyModel({ max_depth: 0 }).forward(x), relative), 0);
      const metric = tinyModel({ depth_estimation_type: 'metric', max_depth: 20 }).forward(x);
      // where relative depth is above 0, both have the same logits
      assert.ok(worst(metric, relative.sigmoid().mul(20)) < 1e-5);
    }),
  );

  test(
    'in bfloat16 differs by its rounding alone',
    inScope(() => {
      const x = picture(1, 3, 12, 16);
      const [exact, rounded] = [tinyModel().forward(x), tinyModel().toDtype('bfloat16').forward(x)];
      assert.equal(rounded.dtype, 'float32');
      assert.ok(worst(rounded, exact) < 0.02 * exact.abs().amax().item());
    }),
  );

  test('passes gradients to every parameter that it uses', () => {
    tidy(() => {
      const model = tinyModel();
      model
        .forward(picture(1, 3, 12, 16))
        .square()
        .sum()
        .backward();
      const without = [...model.namedParameters()].filter(([, { grad }]) => !grad);
      for (const [name] of without) {
        assert.match(name, /mask_token|fusion_stage\.layers\.0\.residual_layer1/);
      }
    });
  });
});
