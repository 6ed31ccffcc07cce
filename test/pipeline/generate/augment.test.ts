import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withNoise } from '../../../src/pipeline/generate/augment.js';
import { Generator, randn, type Tensor, zeros } from '../../../src/tensor/index.js';

test('withNoise adds normal noise of the strength to pixels and depth, not to the mask', () => {
  const shape = (channels: number) => [1, channels, 5, 48, 48];
  const clean = { pixels: zeros(shape(3)), depth: zeros(shape(1)), mask: zeros(shape(1)) };
  const noisy = withNoise(clean, { strength: 0.25, seed: 7 });
  const moments = (x: Tensor) => [x.mean().item(), x.mul(x).mean().item() ** 0.5];
  for (const part of [noisy.pixels, noisy.depth]) {
    const [mean, deviation] = moments(part) as [number, number];
    // 11520 values or more: the standard error of the mean is 0.0023 at most
    assert.ok(Math.abs(mean) < 0.01 && Math.abs(deviation - 0.25) < 0.01, `${mean}, ${deviation}`);
  }
  assert.equal(noisy.mask.abs().amax().item(), 0);
  assert.equal(clean.pixels.abs().amax().item(), 0, 'the condition itself stays clean');

  const again = withNoise(clean, { strength: 0.25, seed: 7 });
  assert.deepEqual(again.pixels.toFloat32Array(), noisy.pixels.toFloat32Array());
  const other = withNoise(clean, { strength: 0.25, seed: 8 });
  assert.notDeepEqual(other.pixels.toFloat32Array(), noisy.pixels.toFloat32Array());
  // not that which sampling starts from
  const initial = randn(shape(4), { generator: new Generator(7) })
    .narrow(1, 0, 3)
    .mul(0.25);
  assert.notDeepEqual(initial.contiguous().toFloat32Array(), noisy.pixels.toFloat32Array());
});
