import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  addNoise,
  logitNormalSigmas,
  sigmasFromNormal,
  velocityLoss,
  velocityLosses,
  velocityTarget,
} from '../../src/diffusion/index.js';
import { Generator, randn, tensor } from '../../src/tensor/index.js';

describe('logitNormalSigmas', () => {
  test('lie between 0 and 1 with the median where the shift puts it', () => {
    for (const shift of [1, 3]) {
      const sigmas = logitNormalSigmas(4001, { shift, generator: new Generator(1) });
      const sorted = [...sigmas.toFloat32Array()].sort((a, b) => a - b);
      assert.ok(sorted[0] > 0 && sorted[4000] < 1);
      // the median of sigmoid(normal) is 1/2, of the shifted one shift / (shift + 1)
      assert.ok(Math.abs(sorted[2000] - shift / (shift + 1)) < 0.02);
    }
  });

  test('repeat with the seed', () => {
    const draw = () => [...logitNormalSigmas(4, { generator: new Generator(7) }).toArray()];
    assert.deepEqual(draw(), draw());
  });

  test('follow mean and std', () => {
    const sigmas = logitNormalSigmas(3, { mean: 1, std: 0 }).toFloat32Array();
    for (const sigma of sigmas) assert.ok(Math.abs(sigma - 1 / (1 + Math.exp(-1))) < 1e-6);
  });
});

test('sigmasFromNormal shifts the sigmoid', () => {
  const [half] = sigmasFromNormal(tensor([0]), 3).toFloat32Array();
  assert.ok(Math.abs(half - 0.75) < 1e-6);
});

test('noising mixes each item at its own level; the target is noise minus data', () => {
  const latents = tensor([[1], [1]]);
  const noise = tensor([[5], [5]]);
  const noised = addNoise(latents, noise, tensor([0.25, 1]));
  assert.deepEqual([...noised.toArray()], [2, 5]);
  assert.deepEqual([...velocityTarget(latents, noise).toArray()], [4, 4]);
});

test('the loss is the mean of the items, in float32', () => {
  const prediction = randn([3, 2, 4], { generator: new Generator(0) });
  const target = prediction.add(tensor([1, 2, 3]).view([3, 1, 1]));
  const each = velocityLosses(prediction, target).toFloat32Array();
  assert.deepEqual([...each].map(Math.round), [1, 4, 9]);
  assert.ok(Math.abs(velocityLoss(prediction, target).item() - 14 / 3) < 1e-5);
  assert.equal(velocityLoss(prediction.to('bfloat16'), target).dtype, 'float32');
});
