import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schedules } from '../../src/optim/index.js';

const { atTheEnd, constant, cosine, withWarmup } = schedules;

test('warm-up rises in equal steps to the schedule', () => {
  const rate = withWarmup(constant, 4);
  assert.deepEqual([0, 1, 2, 3, 4, 99].map(rate), [0.25, 0.5, 0.75, 1, 1, 1]);
  assert.equal(withWarmup(constant, 0)(0), 1);
});

test('cosine falls from 1 by half at half way to its floor', () => {
  const rate = cosine({ totalSteps: 100, floor: 0.1 });
  assert.equal(rate(0), 1);
  assert.ok(Math.abs(rate(50) - 0.55) < 1e-12);
  assert.ok(Math.abs(rate(100) - 0.1) < 1e-12);
  assert.equal(rate(1000), rate(100));
});

test('a decay at the end leaves what is before at 1, and is the whole with a share of 1', () => {
  const fall = cosine({ totalSteps: 1, floor: 0.1 });
  const rate = atTheEnd(fall, 0.2);
  assert.deepEqual([0, 0.5, 0.8].map(rate), [1, 1, 1]);
  assert.ok(Math.abs(rate(0.9) - 0.55) < 1e-12);
  assert.ok(Math.abs(rate(1) - 0.1) < 1e-12);
  for (const done of [0, 0.3, 1]) assert.equal(atTheEnd(fall, 1)(done), fall(done));
});
