import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../../src/data/random.js';
import type { Tally } from '../../../src/eval/figures.js';
import { compare, summary } from '../../../src/eval/summary/tallies.js';

const near = (actual: number | null, expected: number, within = 1e-9) =>
  assert.ok(actual !== null && Math.abs(actual - expected) < within, `${actual}, not ${expected}`);

const values = (...numbers: number[]): Tally[] => numbers.map((sum) => ({ sum, count: 1 }));

/** Standard deviation of values, divided by n - 1. */
function deviation(numbers: readonly number[]): number {
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (numbers.length - 1));
}

describe('summary', () => {
  test('of plain values is their mean and its standard error', () => {
    const { value, count, error } = summary(values(1, 4, 2, 7), '');
    near(value, 3.5);
    assert.equal(count, 4);
    near(error, deviation([1, 4, 2, 7]) / 2);
    assert.equal(summary(values(3), '').error, null);
  });

  test('leaves out trials to which a figure does not apply', () => {
    const [a, b] = values(2, 4) as [Tally, Tally];
    const { value, count, error } = summary([undefined, a, undefined, b], '');
    assert.deepEqual([value, count], [3, 2]);
    near(error, 1);
  });

  test('of shares counts solids, and lets trials vary as a whole', () => {
    // all or none of a trial's solids right: two trials with two solids say no more than one each
    const once = summary([...values(100, 0, 100, 0)], '%');
    const twice = summary(
      [200, 0, 200, 0].map((sum) => ({ sum, count: 2 })),
      '%',
    );
    assert.deepEqual([once.count, twice.count, twice.value], [4, 8, 50]);
    near(twice.error, once.error!);
  });

  test('of decibels is that of squared errors, and its error agrees with repeated sampling', () => {
    near(summary(values(10, 20), 'dB').value, -10 * Math.log10((0.1 + 0.01) / 2));
    const random = new RandomStream(0, 'decibels');
    const draws = Array.from({ length: 200 }, () =>
      summary(values(...Array.from({ length: 50 }, () => random.between(20, 30))), 'dB'),
    );
    const spread = deviation(draws.map(({ value }) => value));
    const error = draws.reduce((sum, one) => sum + one.error!, 0) / draws.length;
    near(error / spread, 1, 0.15);
  });

  test('of ratios counts trials', () => {
    const column = [
      { sum: 100 * 0.3, count: 0.2 },
      { sum: 100 * 0.1, count: 0.2 },
      { sum: 100 * 0.2, count: 0 },
    ];
    const { value, count } = summary(column, '%', true);
    near(value, 150);
    assert.equal(count, 3);
  });
});

describe('compare', () => {
  test('is over the trials that both have, with the error of the difference', () => {
    const own = values(3, 5, 9, 100);
    const other: (Tally | undefined)[] = [...values(1, 4, 6), undefined];
    const { value, made, count, won, error } = compare('input', own, other, '')!;
    near(made - value, 2);
    assert.deepEqual([count, won], [3, 3]);
    near(error, deviation([2, 1, 3]) / Math.sqrt(3));
    assert.equal(compare('input', own, other, '', 'lower')!.won, 0);
    assert.equal(compare('input', own, [], ''), null);
  });

  test('knows a constant difference in decibels for certain, however trials vary', () => {
    const { value, made, error } = compare('x', values(20, 31, 25), values(19, 30, 24), 'dB')!;
    near(made - value, 1);
    near(error, 0);
  });
});
