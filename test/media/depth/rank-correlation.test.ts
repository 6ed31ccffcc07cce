import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  partialRankCorrelation,
  rankCorrelation,
} from '../../../src/media/depth/rank-correlation.js';

const near = (value: number | null | undefined, expected: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(value! - expected) < tolerance, `${value} is not ${expected}`);

describe('rankCorrelation', () => {
  test('is 1 for any increasing function and -1 for a decreasing one', () => {
    const values = [3, 1, 4, 1.5, 9, 2.6];
    near(
      rankCorrelation(
        values,
        values.map((v) => v ** 3),
      ),
      1,
    );
    near(
      rankCorrelation(
        values,
        values.map((v) => -Math.log(v)),
      ),
      -1,
    );
  });

  test('gives equal values the mean of their ranks', () => {
    // ranks 1, 2.5, 2.5, 4 and 2, 1, 3.5, 3.5: deviations -1.5 0 0 1.5 and -0.5 -1.5 1 1, so
    // 2.25 / sqrt(4.5 · 4.5)
    near(rankCorrelation([10, 20, 20, 30], [5, 1, 8, 8]), 0.5);
    // without ties 1 - 6 Σd² / (n (n² - 1)), d = -1 1 -1 1 0
    near(rankCorrelation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 1 - (6 * 4) / (5 * 24));
  });

  test('does not exist for a constant or a single value', () => {
    assert.equal(rankCorrelation([1, 2, 3], [7, 7, 7]), null);
    assert.equal(rankCorrelation([1], [2]), null);
    assert.equal(rankCorrelation([], []), null);
  });

  test('uses every n-th of many values', () => {
    const many = Float32Array.from({ length: 2 ** 18 + 2 }, (_, i) => i);
    near(rankCorrelation(many, many), 1);
    // all that is left out has the opposite order
    const odd = many.map((value, i) => (i % 2 ? -value : value));
    near(rankCorrelation(many, odd), 1);
  });
});

describe('partialRankCorrelation', () => {
  test('is the correlation of what is left when the known part is taken out of both', () => {
    // ranks a 1 2 3 4, b 2 1 4 3, c 1 3 2 4: ab 0.6, ac 0.8, bc 0; (0.6 - 0) / sqrt(0.36 · 1)
    near(partialRankCorrelation([1, 2, 3, 4], [2, 1, 4, 3], [1, 3, 2, 4]), 1);
    // a 1 2 3 4, b 1 3 2 4, c 2 1 4 3: ab 0.8, ac 0.6, bc 0
    near(partialRankCorrelation([1, 2, 3, 4], [1, 3, 2, 4], [2, 1, 4, 3]), 1);
    // a 1 2 3 4 5, b 2 1 4 3 5, c 1 3 2 5 4: ab 0.8, ac 0.8, bc 0.3
    const left = (0.8 - 0.8 * 0.3) / Math.sqrt((1 - 0.64) * (1 - 0.09));
    near(partialRankCorrelation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], [1, 3, 2, 5, 4]), left);
  });

  test('does not exist where the known part explains all', () => {
    assert.equal(partialRankCorrelation([1, 2, 3], [1, 3, 2], [10, 20, 30]), null);
    assert.equal(partialRankCorrelation([1, 2, 3], [1, 3, 2], [5, 5, 5]), null);
  });
});
