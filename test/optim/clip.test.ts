import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globalGradNorm } from '../../src/optim/index.js';
import { tensor } from '../../src/tensor/index.js';

test('the norm is that of all gradients as one vector, summed in float32', () => {
  const norm = globalGradNorm([tensor([3]), tensor([[0, 4]]).to('bfloat16')]);
  assert.ok(Math.abs(norm - 5) < 1e-6);
  assert.equal(globalGradNorm([]), 0);
});
