import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eulerStep, guide, guideBatch } from '../../src/diffusion/index.js';
import { ShapeError } from '../../src/errors.js';
import { cat, Generator, randn, tensor } from '../../src/tensor/index.js';

test('Euler steps along a constant velocity reach the data exactly, however many', () => {
  const data = tensor([[0.25, -1.5]]);
  const noise = tensor([[1, 2]]);
  const velocity = noise.sub(data);
  for (const sigmas of [
    [1, 0],
    [1, 0.75, 0.5, 0],
  ]) {
    let x = noise;
    for (let i = 0; i + 1 < sigmas.length; i++) {
      x = eulerStep(x, velocity, { from: sigmas[i], to: sigmas[i + 1] });
    }
    assert.deepEqual([...x.toArray()], [0.25, -1.5]);
  }
});

test('eulerStep answers in float32 and refuses other shapes', () => {
  const x = randn([2, 3], { generator: new Generator(0) });
  const step = { from: 0.5, to: 0.499 };
  assert.equal(eulerStep(x.to('bfloat16'), x.to('bfloat16'), step).dtype, 'float32');
  assert.throws(() => eulerStep(x, x.narrow(1, 0, 2), step), ShapeError);
});

test('guidance of scale 1 is the conditional prediction, of 0 the unconditional one', () => {
  const [a, b] = [tensor([1, 2]), tensor([3, 8])];
  assert.deepEqual([...guide(a, b, 1).toArray()], [3, 8]);
  assert.deepEqual([...guide(a, b, 0).toArray()], [1, 2]);
  assert.deepEqual([...guide(a, b, 2).toArray()], [5, 14]);
  assert.deepEqual([...guideBatch(cat([a, b], 0), 2).toArray()], [5, 14]);
});
