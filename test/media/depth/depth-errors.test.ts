import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { alignDepth, depthErrors } from '../../../src/media/depth/depth-errors.js';

const near = (value: number | null | undefined, expected: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(value! - expected) < tolerance, `${value} is not ${expected}`);

describe('alignDepth', () => {
  const truth = Float32Array.from([0.5, 0.25, 1, 0.125, 2]);

  test('is exact for any scale and shift, whatever lies at pixels without a truth', () => {
    for (const [scale, shift] of [
      [2, -3],
      [0.01, 5],
      [-4, 1],
    ] as const) {
      const estimate = Float32Array.from(truth, (value) => (value - shift) / scale);
      const alignment = alignDepth(estimate, truth)!;
      near(alignment.scale, scale, 1e-3 * Math.abs(scale));
      near(alignment.shift, shift, 1e-3 * Math.abs(shift));
    }
    const holes = Float32Array.from([...truth, 0, -1, Number.NaN, Number.POSITIVE_INFINITY]);
    const estimate = Float32Array.from([...truth, 900, 900, 900, 900]);
    near(alignDepth(estimate, holes)!.scale, 1);
  });

  test('is the least-squares line', () => {
    // estimate 0 1 2, truth 1 3 2: slope 1/2, mean 2 at 1
    const alignment = alignDepth(Float32Array.of(0, 1, 2), Float32Array.of(1, 3, 2));
    assert.deepEqual(alignment, { scale: 0.5, shift: 1.5 });
  });

  test('takes the mean for a constant, and gives up without a truth', () => {
    const constant = new Float32Array(5).fill(0.1);
    assert.deepEqual(alignDepth(constant, truth), { scale: 0, shift: 0.775 });
    assert.equal(alignDepth(constant, new Float32Array(5)), null);
    assert.throws(() => alignDepth(constant, truth.subarray(1)), /one size, got 5 and 4/);
  });
});

describe('depthErrors', () => {
  test('finds no error in an affine transform of the truth', () => {
    const truth = Float32Array.from({ length: 64 }, (_, i) => 1 / (1 + i));
    const errors = depthErrors(
      truth.map((value) => 7 * value + 2),
      truth,
    )!;
    near(errors.absRel, 0, 1e-4);
    assert.equal(errors.delta, 1);
    near(errors.rank, 1);
    assert.equal(errors.count, 64);
  });

  test('compares distances, not inverse ones', () => {
    // the mean of 1, 1/2, 1/4, 1/4 is 1/2: distance 2 where 1, 2, 4, 4 are true
    const errors = depthErrors(new Float32Array(4).fill(3), Float32Array.of(1, 0.5, 0.25, 0.25))!;
    near(errors.absRel, (1 + 0 + 0.5 + 0.5) / 4);
    near(errors.delta, 0.25);
    assert.equal(errors.rank, null);
  });

  test('takes nothing to be farther than the farthest true point', () => {
    // the line through estimate 0 1 2 and truth 1 1 4 is 0.5 + 1.5 x, below 1 at the first pixel
    const errors = depthErrors(Float32Array.of(0, 1, 2), Float32Array.of(1, 1, 4))!;
    near(errors.absRel, (0 + 0.5 + 1 / 7) / 3);
    const below = depthErrors(Float32Array.of(-50, 0, 1, 2), Float32Array.of(1, 1, 1, 1.1))!;
    assert.ok(Number.isFinite(below.absRel));
  });

  test('tells near and far exchanged from right by the rank correlation alone', () => {
    const truth = Float32Array.from({ length: 64 }, (_, i) => 1 + i);
    const errors = depthErrors(
      truth.map((value) => -value),
      truth,
    )!;
    near(errors.absRel, 0, 1e-4);
    near(errors.rank, -1);
  });

  test('leaves out what is not known', () => {
    assert.equal(depthErrors(Float32Array.of(1, 2), Float32Array.of(0, 0)), null);
    assert.equal(depthErrors(Float32Array.of(1, 2, 3), Float32Array.of(1, 0, 2))!.count, 2);
  });
});
