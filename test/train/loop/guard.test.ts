import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  afterStep,
  freshGuard,
  type GuardState,
  normLimit,
} from '../../../src/train/loop/guard.js';
import { Optimisation } from '../../../src/train/recipe/config.js';

const plan = Optimisation.parse({ steps: 1, explodingGradNorm: 10 });
const after = (norms: readonly number[], from: GuardState = freshGuard()) =>
  norms.reduce((state, gradNorm) => afterStep(state, { gradNorm, skipped: false }), from);

describe('the guard', () => {
  test('sets no limit before it has seen twenty good steps', () => {
    assert.equal(normLimit(after(Array(19).fill(2)), plan), null);
    const limit = normLimit(after(Array(20).fill(2)), plan)!;
    assert.ok(Math.abs(limit - 20) < 1e-9, String(limit));
  });

  test('calls the geometric mean usual, a plain one at first', () => {
    const norms = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : 4));
    const limit = normLimit(after(norms), plan)!;
    assert.ok(Math.abs(limit - 10 * 2) < 1e-9, String(limit));
  });

  test('follows norms that shrink or grow, over a hundred steps or so', () => {
    const settled = after(Array(2000).fill(8), after(Array(500).fill(1)));
    assert.ok(Math.abs(normLimit(settled, plan)! - 80) < 0.1, String(normLimit(settled, plan)));
    const early = after(Array(100).fill(8), after(Array(500).fill(1)));
    // 1 - 0.99^100 = 0.63 of the way in the logarithm
    const share = Math.log(normLimit(early, plan)! / 10) / Math.log(8);
    assert.ok(Math.abs(share - (1 - 0.99 ** 100)) < 1e-9, String(share));
  });

  test('learns nothing from bad steps, and counts those in a row', () => {
    const before = after(Array(30).fill(2));
    const bad = (state: GuardState, gradNorm: number) =>
      afterStep(state, { gradNorm, skipped: true });
    const state = bad(bad(before, Number.NaN), 1e9);
    assert.deepEqual(state, { ...before, badInRow: 2 });
    assert.deepEqual(afterStep(state, { gradNorm: 2, skipped: false }).badInRow, 0);
  });

  test('a norm of zero is good, but tells nothing of what is usual', () => {
    const before = { ...after(Array(30).fill(2)), badInRow: 3 };
    const state = afterStep(before, { gradNorm: 0, skipped: false });
    assert.deepEqual(state, { ...before, badInRow: 0 });
  });

  test('is plain JSON, also when it is fresh', () => {
    for (const state of [freshGuard(), after([1, 2, 3])]) {
      assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
    }
  });
});
