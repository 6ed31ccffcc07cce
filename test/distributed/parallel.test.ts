import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALONE } from '../../src/distributed/parallel.js';
import { tensor, tidy } from '../../src/tensor/index.js';

describe('ALONE', () => {
  test('sums the gradients of micro-batches in float32', async () => {
    for (const dtype of ['bfloat16', 'float32'] as const) {
      const p = tensor([1]).to(dtype).keep().requiresGrad_();
      const optimizer = ALONE.optimizer(new Map([['p', p]]), { weightDecay: 0 });
      const norms: number[] = [];
      for (let step = 0; step < 2; step++) {
        // each of the small ones is less than bfloat16's spacing at 1
        for (const [i, gradient] of [1, ...Array(64).fill(1 / 512)].entries()) {
          tidy(() => optimizer.backward(p.mul(gradient).sum(), i === 64));
        }
        norms.push((await optimizer.step({ learningRate: 0 })).gradNorm);
        optimizer.zeroGrad();
      }
      assert.deepEqual(norms, [1.125, 1.125], dtype);
      optimizer.dispose();
      p.dispose();
    }
  });
});
