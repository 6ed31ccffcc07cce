import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Conv2d,
  Conv3d,
  ConvTranspose2d,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  RMSNorm,
} from '../../src/nn/index.js';
import {
  Generator,
  manualSeed,
  noGrad,
  ones,
  randn,
  type Tensor,
  tensor,
} from '../../src/tensor/index.js';

const values = (x: Tensor) => [...x.toFloat32Array()];
const noise = (shape: number[], seed = 0) => randn(shape, { generator: new Generator(seed) });

/** Largest difference of two lists of numbers. */
function worst(a: readonly number[], b: readonly number[]): number {
  assert.equal(a.length, b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** (x - mean) / √(variance + eps) of each group of `size` neighbours. */
function normalised(x: readonly number[], size: number, eps: number, centred = true): number[] {
  return x.map((value, i) => {
    const group = x.slice(i - (i % size), i - (i % size) + size);
    const mean = centred ? group.reduce((a, b) => a + b) / size : 0;
    const variance = group.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size;
    return (value - mean) / Math.sqrt(variance + eps);
  });
}

describe('Linear', () => {
  test('is x Wᵀ + b over the last dimension', () => {
    const layer = new Linear(3, 2);
    noGrad(() => {
      layer.weight.copy_(
        tensor([
          [1, 2, 3],
          [0, 1, 0],
        ]),
      );
      layer.bias!.copy_(tensor([10, 20]));
    });
    const y = layer.forward(
      tensor([
        [
          [1, 1, 1],
          [1, 0, -1],
        ],
      ]),
    );
    assert.deepEqual(
      [y.shape, values(y)],
      [
        [1, 2, 2],
        [16, 21, 8, 20],
      ],
    );
    assert.equal(new Linear(3, 2, { bias: false }).bias, null);
  });

  test("starts with PyTorch's values: uniform within 1/√inFeatures", () => {
    manualSeed(0);
    const layer = new Linear(64, 256);
    for (const part of [layer.weight, layer.bias!]) {
      const largest = part.abs().amax().item();
      assert.ok(largest <= 1 / 8 && largest > 0.95 / 8, String(largest));
    }
    // a uniform distribution's deviation is bound/√3
    assert.ok(Math.abs(layer.weight.std().item() - 1 / 8 / Math.sqrt(3)) < 1e-3);
  });
});

describe('convolutions', () => {
  test('take stride, padding and kernel as one number or one for each dimension', () => {
    const x = noise([1, 2, 5, 6, 8]);
    const layer = new Conv3d(2, 3, [1, 3, 3], { stride: [1, 2, 2], padding: [0, 1, 1] });
    assert.deepEqual(layer.weight.shape, [3, 2, 1, 3, 3]);
    assert.deepEqual(layer.forward(x).shape, [1, 3, 5, 3, 4]);
    assert.deepEqual(new Conv3d(2, 3, 3, { padding: 1 }).forward(x).shape, [1, 3, 5, 6, 8]);
    const flat = new Conv2d(2, 4, 2, { stride: 2, bias: false });
    assert.deepEqual(flat.forward(noise([1, 2, 6, 8])).shape, [1, 4, 3, 4]);
    assert.equal(flat.bias, null);
  });

  test('transposed, spread every pixel over the kernel, in bfloat16 too', () => {
    const layer = new ConvTranspose2d(1, 2, 2, { stride: 2 });
    noGrad(() => {
      layer.weight.copy_(tensor([1, 2, 3, 4, 5, 6, 7, 8]).reshape([1, 2, 2, 2]));
      layer.bias!.copy_(tensor([0, 10]));
    });
    for (const dtype of ['float32', 'bfloat16'] as const) {
      const y = layer.toDtype(dtype).forward(tensor([1, -1]).reshape([1, 1, 1, 2]).to(dtype));
      assert.deepEqual([y.shape, y.dtype], [[1, 2, 2, 4], dtype]);
      assert.deepEqual(values(y), [1, 2, -1, -2, 3, 4, -3, -4, 15, 16, 5, 4, 17, 18, 3, 2]);
    }
  });

  test('sum over the kernel', () => {
    const layer = new Conv2d(1, 1, 2);
    noGrad(() => {
      layer.weight.copy_(
        tensor([
          [
            [
              [1, 2],
              [3, 4],
            ],
          ],
        ]),
      );
      layer.bias!.fill_(0.5);
    });
    const y = layer.forward(
      tensor([
        [
          [
            [1, 0, 0],
            [0, 1, 0],
          ],
        ],
      ]),
    );
    assert.deepEqual(values(y), [1 + 4 + 0.5, 3 + 0.5]);
  });
});

test('Embedding looks rows up', () => {
  const layer = new Embedding(5, 3);
  const rows = layer.forward(tensor([[4, 0]], { dtype: 'int64' }));
  assert.deepEqual(rows.shape, [1, 2, 3]);
  assert.deepEqual(values(rows.select(1, 0)), values(layer.weight.select(0, 4)));
});

describe('norms', () => {
  const x = noise([2, 3, 8]).mul(3).add(1);

  test('LayerNorm and RMSNorm are their formulas, then weight and bias', () => {
    const layer = new LayerNorm(8, { eps: 1e-5 });
    assert.ok(worst(values(layer.forward(x)), normalised(values(x), 8, 1e-5)) < 1e-5);
    const rms = new RMSNorm(8, { eps: 1e-6 });
    assert.ok(worst(values(rms.forward(x)), normalised(values(x), 8, 1e-6, false)) < 1e-5);
    noGrad(() => {
      layer.weight!.fill_(2);
      layer.bias!.fill_(1);
      rms.weight!.fill_(3);
    });
    const scaled = normalised(values(x), 8, 1e-5).map((value) => value * 2 + 1);
    assert.ok(worst(values(layer.forward(x)), scaled) < 1e-5);
    const tripled = normalised(values(x), 8, 1e-6, false).map((value) => value * 3);
    assert.ok(worst(values(rms.forward(x)), tripled) < 1e-5);
  });

  test('GroupNorm takes a group of channels and all places together', () => {
    const clip = noise([2, 4, 3, 2, 2]);
    const layer = new GroupNorm(2, 4, { eps: 1e-6 });
    const want = normalised(values(clip), 2 * 12, 1e-6);
    assert.ok(worst(values(layer.forward(clip)), want) < 1e-5);
  });

  test('without affine they have no parameters', () => {
    assert.equal(new LayerNorm(4, { affine: false }).parameters().length, 0);
    assert.equal(new RMSNorm(4, { affine: false }).parameters().length, 0);
  });

  test('keep the dtype, and compute in float32 inside', () => {
    const half = x.to('bfloat16');
    for (const layer of [new LayerNorm(8), new RMSNorm(8), new GroupNorm(1, 3)]) {
      const y = layer.forward(half);
      assert.equal(y.dtype, 'bfloat16');
      const wide = layer.forward(half.to('float32'));
      // one rounding of bfloat16: 2^-8 of values up to about 3
      assert.ok(worst(values(y), values(wide)) < 3 * 2 ** -8);
    }
  });

  test('pass gradients to input and parameters', () => {
    for (const layer of [new LayerNorm(8), new RMSNorm(8), new GroupNorm(1, 3)]) {
      const input = x.clone().requiresGrad_();
      layer
        .forward(input)
        .mul(noise([2, 3, 8], 1))
        .sum()
        .backward();
      assert.ok(input.grad!.abs().sum().item() > 0);
      for (const parameter of layer.parameters()) {
        assert.ok(parameter.grad!.abs().sum().item() > 0);
      }
    }
  });
});

test('layers work in bfloat16', () => {
  const y = new Linear(4, 4).toDtype('bfloat16').forward(ones([2, 4], { dtype: 'bfloat16' }));
  assert.equal(y.dtype, 'bfloat16');
});
