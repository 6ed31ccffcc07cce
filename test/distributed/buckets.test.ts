import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bucketsOf, ownersOf, runsOf } from '../../src/distributed/buckets.js';

describe('ownersOf', () => {
  test('gives each process about the same, the largest first', () => {
    assert.deepEqual(ownersOf([1, 5, 4, 3, 3], 2), [1, 0, 1, 1, 0]);
    assert.deepEqual(ownersOf([7, 7, 7], 1), [0, 0, 0]);
  });

  test('no process has more than the mean and one largest parameter', () => {
    const sizes = Array.from({ length: 200 }, (_, i) => ((i * 7919) % 1000) + 1);
    for (const processes of [2, 3, 8, 64]) {
      const loads = Array(processes).fill(0);
      for (const [i, owner] of ownersOf(sizes, processes).entries()) loads[owner] += sizes[i]!;
      const mean = sizes.reduce((sum, size) => sum + size, 0) / processes;
      assert.ok(Math.max(...loads) <= mean + Math.max(...sizes), `${processes} processes`);
    }
  });

  test('more processes than parameters leave some without', () => {
    assert.deepEqual(ownersOf([2, 3], 4), [1, 0]);
  });
});

describe('runsOf', () => {
  test('keeps the order, fills up to the limit, and lets what is larger go alone', () => {
    assert.deepEqual(runsOf([3, 0, 1, 2], [2, 2, 9, 1], 4), [[3, 0], [1], [2]]);
    assert.deepEqual(runsOf([], [], 4), []);
  });
});

describe('bucketsOf', () => {
  test('has each parameter once, by owner where there is one', () => {
    const sizes = [2, 2, 2, 2];
    assert.deepEqual(bucketsOf([3, 2, 1, 0], sizes, { owners: null, bucketElements: 6 }), [
      [{ owner: null, members: [3, 2, 1] }],
      [{ owner: null, members: [0] }],
    ]);
    const byOwner = bucketsOf([3, 2, 1, 0], sizes, { owners: [0, 1, 0, 1], bucketElements: 6 });
    assert.deepEqual(byOwner, [
      [
        { owner: 1, members: [3, 1] },
        { owner: 0, members: [2] },
      ],
      [{ owner: 0, members: [0] }],
    ]);
  });
});
