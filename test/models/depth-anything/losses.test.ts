import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  depthLoss,
  gradientLoss,
  meanDifference,
  normalisedDepth,
} from '../../../src/models/depth-anything/index.js';
import { fromArray, manualSeed, rand, type Tensor, tensor } from '../../../src/tensor/index.js';

const WEIGHTS = { gradient: 0.5, level: 0.1 };

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, within: number): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!);
    assert.ok(
      off <= within * Math.max(1, Math.abs(expected[i]!)),
      `${i}: ${actual[i]} ${expected[i]}`,
    );
  }
}

function maps(): [predicted: Tensor, wanted: Tensor] {
  manualSeed(3);
  return [rand([2, 8, 10]).mul(4), rand([2, 8, 10]).mul(10)];
}

describe('normalisedDepth', () => {
  test('subtracts the median and divides by the mean distance from it, of each map', () => {
    const depth = fromArray(Float32Array.of(1, 2, 9, 4, 5, 0, 0, 0, 0, 10), [2, 1, 5]);
    // median 4, distances 3 2 5 0 1; median 0, distances 0 0 0 0 10
    const expected = [-3 / 2.2, -2 / 2.2, 5 / 2.2, 0, 1 / 2.2, 0, 0, 0, 0, 5];
    assertClose(normalisedDepth(depth).toFloat32Array(), expected, 1e-6);
  });

  test('is the same for every scale and shift, and 0 for a constant map', () => {
    const [depth] = maps();
    const moved = depth.mul(tensor([3, 0.1]).reshape([2, 1, 1])).add(7);
    assertClose(
      normalisedDepth(moved).toFloat32Array(),
      normalisedDepth(depth).toFloat32Array(),
      1e-4,
    );
    assert.equal(normalisedDepth(depth.mul(0).add(5)).abs().sum().item(), 0);
  });
});

describe('gradientLoss', () => {
  test('sums the mean differences of neighbours over four scales', () => {
    // an error that rises by 1 per column: 1, 2, 4 and 8 per column of the four scales
    const ramp = fromArray(
      Float32Array.from({ length: 256 }, (_, i) => i % 16),
      [1, 16, 16],
    );
    assertClose([gradientLoss(ramp, ramp.mul(0)).item()], [1 + 2 + 4 + 8], 1e-6);
    assert.equal(gradientLoss(ramp.add(3), ramp).item(), 0);
  });

  test('takes maps that are too small for all scales', () => {
    const one = fromArray(Float32Array.of(1, 3), [1, 1, 2]);
    assert.equal(gradientLoss(one, one.mul(0)).item(), 0);
  });
});

describe('depthLoss', () => {
  test('is 0 where both are equal; of another scale and level, only the level counts', () => {
    const [, wanted] = maps();
    assert.equal(depthLoss(wanted, wanted, WEIGHTS).loss.item(), 0);
    const { loss, invariant, gradient, level } = depthLoss(wanted.mul(2).add(1), wanted, WEIGHTS);
    assertClose([invariant.item(), gradient.item()], [0, 0], 1e-4);
    assertClose([loss.item()], [0.1 * level.item()], 1e-3);
    assertClose([level.item()], [wanted.mean().item() + 1], 1e-4);
  });

  test('weighs its parts', () => {
    const [predicted, wanted] = maps();
    const { loss, invariant, gradient, level } = depthLoss(predicted, wanted, WEIGHTS);
    const own = [normalisedDepth(predicted), normalisedDepth(wanted)] as const;
    assertClose([invariant.item()], [meanDifference(...own).item()], 1e-6);
    assertClose([gradient.item()], [gradientLoss(...own).item()], 1e-6);
    const sum = invariant.item() + 0.5 * gradient.item() + 0.1 * level.item();
    assertClose([loss.item()], [sum], 1e-5);
  });

  test('has the gradient that differences of it show', () => {
    const [start, wanted] = maps();
    const predicted = start.detach().requiresGrad_(true);
    depthLoss(predicted, wanted, WEIGHTS).loss.backward();
    const gradient = predicted.grad!.toFloat32Array();
    const values = predicted.toFloat32Array();
    const lossAt = (changed: Float32Array) =>
      depthLoss(fromArray(changed, [2, 8, 10]), wanted, WEIGHTS).loss.item();
    // along a direction, as single pixels change the sum by less than its rounding
    const step = 1e-2;
    for (const period of [3, 7, 11]) {
      const direction = values.map((_, i) => Math.sin(i * period));
      const [up, down] = [step, -step].map((by) =>
        lossAt(values.map((v, i) => v + by * direction[i]!)),
      );
      const slope = gradient.reduce((sum, g, i) => sum + g * direction[i]!, 0);
      assertClose([(up! - down!) / (2 * step)], [slope], 0.02);
    }
  });
});
