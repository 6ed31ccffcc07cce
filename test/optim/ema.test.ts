import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ema } from '../../src/optim/index.js';
import { tensor } from '../../src/tensor/index.js';

test('an average moves by 1 - decay towards the weights', () => {
  const ema = new Ema(new Map([['w', tensor([0, 4])]]), 0.75);
  const weights = new Map([['w', tensor([4, 4])]]);
  ema.update(weights);
  assert.deepEqual([...ema.stateDict().w.toArray()], [1, 4]);
  ema.update(weights);
  assert.deepEqual([...ema.stateDict().w.toArray()], [1.75, 4]);
});

test('averages of bfloat16 weights are float32 and are written back in bfloat16', () => {
  const weights = new Map([['w', tensor([1]).to('bfloat16')]]);
  const ema = new Ema(weights, 0.999);
  ema.update(new Map([['w', tensor([2])]]));
  assert.ok(Math.abs(ema.stateDict().w.item() - 1.001) < 1e-6);
  ema.copyTo(weights);
  assert.equal(weights.get('w')!.dtype, 'bfloat16');
});

test('a saved average is taken up again; a missing weight is named', () => {
  const ema = new Ema(new Map([['w', tensor([0])]]), 0.5);
  ema.loadStateDict({ w: tensor([3]) });
  assert.equal(ema.stateDict().w.item(), 3);
  assert.throws(() => ema.update(new Map()), /must contain w/);
});
