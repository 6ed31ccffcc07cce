import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Balance, balanceAfter, factorsAt } from '../../../src/train/networks/balance.js';

const figures = (losses: Record<string, number>) =>
  Object.fromEntries(Object.entries(losses).map(([task, loss]) => [`validation/${task}`, loss]));

test('a task that is learnt more slowly than others gets the larger factor', () => {
  const first = balanceAfter(null, figures({ t2i: 1, i2v: 0.5 }), { from: 3, power: 2 });
  assert.deepEqual(first.first, { t2i: 1, i2v: 0.5 });
  assert.deepEqual(factorsAt(first, 3), { t2i: 1, i2v: 1 });
  // t2i to a half of its first loss, i2v to nine tenths; a task that joins begins at 1
  const losses = figures({ t2i: 0.5, i2v: 0.45, d2v: 2 });
  const second = balanceAfter(first, { ...losses, 'psnr/i2v': 30 }, { from: 13, power: 2 });
  const { t2i, i2v, d2v, ...others } = factorsAt(second, 13)!;
  assert.ok(Math.abs(t2i! - 0.25) < 1e-9 && Math.abs(i2v! - 0.81) < 1e-9);
  assert.deepEqual([d2v, others], [1, {}]);
});

test('a batch has the factors that held when it was planned', () => {
  let balance: Balance | null = null;
  assert.equal(factorsAt(balance, 0), null);
  for (let i = 0; i < 20; i++) {
    balance = balanceAfter(balance, figures({ t2i: 1 / (i + 1) }), { from: i + 3, power: 1 });
  }
  for (const batch of [18, 20, 22]) {
    assert.ok(Math.abs(factorsAt(balance, batch)!.t2i! - Math.max(1 / 8, 1 / (batch - 2))) < 1e-9);
  }
  assert.equal(factorsAt(balance, 4), null); // long over
});

test('no factor is beyond 8 or below an eighth', () => {
  const first = balanceAfter(null, figures({ a: 1, b: 1 }), { from: 3, power: 3 });
  const then = balanceAfter(first, figures({ a: 100, b: 0.01 }), { from: 9, power: 3 });
  assert.deepEqual(factorsAt(then, 9), { a: 8, b: 1 / 8 });
});
