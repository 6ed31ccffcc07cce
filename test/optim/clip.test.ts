import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clipGradNorm, globalGradNorm } from '../../src/optim/index.js';
import { tensor } from '../../src/tensor/index.js';

test('the norm is that of all gradients as one vector, summed in float32', () => {
  const norm = globalGradNorm([tensor([3]), tensor([[0, 4]]).to('bfloat16')]);
  assert.ok(Math.abs(norm - 5) < 1e-6);
  assert.equal(globalGradNorm([]), 0);
});

test('gradients are scaled to the limit, and only if they exceed it', () => {
  const p = tensor([0, 0]).requiresGrad_();
  p.grad = tensor([3, 4]);
  assert.equal(clipGradNorm([p], 10), 5);
  assert.deepEqual([...p.grad!.toArray()], [3, 4]);
  clipGradNorm([p], 1);
  assert.ok(Math.abs(globalGradNorm([p.grad!]) - 1) < 1e-5);
});
