import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StepCache } from '../../../src/models/transformer/index.js';
import { full, noGrad, tidy } from '../../../src/tensor/index.js';
import { maxDifference, tinyInputs, tinyModel } from './tiny.js';

describe('StepCache', () => {
  const { latents, pixels, mask, text, ...times } = tinyInputs();
  const model = tinyModel({ num_layers: 4 });
  const prepared = noGrad(() => ({
    condition: model.prepareCondition(pixels, mask),
    text: model.prepareText(text),
    rope: model.prepareRope(latents),
  }));
  const pass = (stepCache: StepCache | null, timestep: number) =>
    noGrad(() => {
      const timesteps = full([2], timestep);
      return model.forward(latents, { ...times, ...prepared, timesteps, stepCache });
    });

  test('gives the same where nothing changed, and works again where much did', () => {
    tidy(() => {
      const cache = new StepCache(1e-3);
      const whole = pass(null, 500);
      assert.equal(maxDifference(pass(cache, 500), whole), 0);
      assert.ok(maxDifference(pass(cache, 500), whole) < 1e-5);
      assert.deepEqual(cache.counts, { whole: 1, reused: 1 });
      assert.equal(maxDifference(pass(cache, 20), pass(null, 20)), 0);
      assert.deepEqual(cache.counts, { whole: 2, reused: 1 });
      cache.dispose();
    });
  });

  test('a threshold of 0 computes every step', () => {
    tidy(() => {
      const cache = new StepCache(0);
      for (let i = 0; i < 3; i++) pass(cache, 500);
      assert.deepEqual(cache.counts, { whole: 3, reused: 0 });
      cache.dispose();
    });
  });
});
