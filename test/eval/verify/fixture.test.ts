import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  dequantised,
  errorOf,
  groupRows,
  limitFor,
  row,
} from '../../../src/eval/verify/fixture.js';
import { type Tensor, tensor } from '../../../src/tensor/index.js';

describe('errorOf', () => {
  test('measures as its name says', () => {
    const [got, want] = [
      [1, 2, 5],
      [1, 2, 3],
    ];
    assert.equal(errorOf(got, want, 'max abs'), 2);
    assert.equal(errorOf(got, want, 'max abs / max'), 2 / 3);
    assert.ok(Math.abs(errorOf(got, want, 'max abs / std') - 2 / Math.sqrt(2 / 3)) < 1e-12);
    assert.equal(errorOf(got, want, 'relative'), 2 / 3);
    assert.equal(errorOf(got, want, 'exact'), 1);
    assert.equal(errorOf([0, 0], [0, 0], 'max abs / max'), 0);
  });

  test('another shape, another length or a NaN is no pass', () => {
    assert.equal(errorOf(tensor([[1, 2]]), tensor([1, 2]), 'max abs'), Infinity);
    assert.equal(errorOf([], [1], 'max abs'), Infinity);
    assert.equal(errorOf([Number.NaN], [1], 'max abs'), Infinity);
    assert.equal(errorOf([Number.NaN], [1], 'relative'), Infinity);
  });
});

test('a tolerance in prose is read as it says', () => {
  const limitOf = (metric: string, largest: number) =>
    limitFor(tensor([0, -largest]), { metric, limit: 0.5 });
  const floored = 'max|actual-expected| <= limit * max(1, max|expected|), per tensor';
  assert.equal(limitOf(floored, 4).tolerance, 2);
  assert.equal(limitOf(floored, 0.25).tolerance, 0.5);
  assert.equal(limitOf('max|actual-expected|', 4).tolerance, 0.5);
  assert.deepEqual(limitOf('exact', 4), { measure: 'exact', tolerance: 0 });
});

test('a group shows its worst row and fails with any', () => {
  const limit = { tolerance: 1, measure: 'max abs' } as const;
  const rows = [row('c', 'a', 0, 0.5, limit), row('c', 'b', 0, 3, limit)];
  const { tensor: name, error, pass } = groupRows('all', rows);
  assert.deepEqual([name, error, pass], ['all (2), worst b', 3, false]);
});

test('weights stored as I8 are multiplied by their scale', () => {
  const stored = new Map([
    ['w', tensor([2, -4]).to('int8')],
    ['b', tensor([0.5])],
  ]);
  const file = { keys: () => [...stored.keys()], get: (key: string) => stored.get(key) as Tensor };
  const weights = dequantised(file as Parameters<typeof dequantised>[0], { w: 0.25 });
  assert.deepEqual([...weights.get('w')!.toArray()], [0.5, -1]);
  assert.deepEqual([...weights.get('b')!.toArray()], [0.5]);
});
