import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../../src/data/random.js';
import { kernelDistance } from '../../../src/eval/metrics/kernel-distance.js';

/** Vectors of 8 numbers, uniform in 0..1, and then moved. */
function vectors(count: number, seed: number, moved = 0): Float32Array[] {
  const random = new RandomStream(seed, 'vectors');
  return Array.from({ length: count }, () =>
    // the first four are moved, so that directions differ
    Float32Array.from({ length: 8 }, (_, i) => random.next() + (i < 4 ? moved : 0)),
  );
}

describe('kernelDistance', () => {
  test('is the sum of kernels over different pairs, by its formula', () => {
    const [made, truth] = [vectors(5, 1), vectors(5, 2)];
    const product = (a: Float32Array, b: Float32Array) =>
      [...a].reduce((sum, value, i) => sum + value * b[i]!, 0);
    const k = (a: Float32Array, b: Float32Array) =>
      (product(a, b) / Math.sqrt(product(a, a) * product(b, b)) + 1) ** 3;
    let expected = 0;
    for (let i = 0; i < 5; i++) {
      for (let j = 0; j < 5; j++) {
        if (i === j) continue;
        const [x, y] = [k(made[i]!, made[j]!), k(truth[i]!, truth[j]!)];
        expected += (x + y - 2 * k(made[i]!, truth[j]!)) / 20;
      }
    }
    const { value, count } = kernelDistance(made, truth)!;
    assert.ok(Math.abs(value - expected) < 1e-12, `${value}, not ${expected}`);
    assert.equal(count, 5);
  });

  test('is 0 on average for sets of one kind, whatever their size, within its errors', () => {
    for (const count of [5, 40]) {
      const found = Array.from(
        { length: 60 },
        (_, i) => kernelDistance(vectors(count, 2 * i), vectors(count, 2 * i + 1))!,
      );
      const mean = found.reduce((sum, { value }) => sum + value, 0) / found.length;
      const spread = Math.sqrt(
        found.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / (found.length - 1),
      );
      assert.ok(Math.abs(mean) < (3 * spread) / Math.sqrt(found.length), `${count}: ${mean}`);
    }
  });

  test('has an error that says how much it varies between samples', () => {
    const found = Array.from(
      { length: 60 },
      (_, i) => kernelDistance(vectors(30, 2 * i, 1), vectors(30, 2 * i + 1))!,
    );
    const mean = found.reduce((sum, { value }) => sum + value, 0) / found.length;
    const spread = Math.sqrt(
      found.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / (found.length - 1),
    );
    const error = found.reduce((sum, one) => sum + one.error, 0) / found.length;
    assert.ok(mean > 5 * spread, `${mean}, spread ${spread}`);
    assert.ok(error > 0.7 * spread && error < 1.4 * spread, `${error}, spread ${spread}`);
  });

  test('is exactly 0 for a set and itself, absent for a few, refused for others', () => {
    assert.deepEqual(kernelDistance(vectors(6, 1), vectors(6, 1)), {
      value: 0,
      count: 6,
      error: 0,
    });
    assert.equal(kernelDistance(vectors(3, 1), vectors(3, 2)), null);
    assert.throws(() => kernelDistance(vectors(5, 1), vectors(6, 2)), /sets must be of one size/);
  });
});
