import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { TASKS } from '../../src/tasks/index.js';
import { setThreads } from '../../src/tensor/index.js';
import { Run } from '../../src/train/run.js';
import { taskSheets } from '../../src/train/samples.js';
import { temporaryFolder } from '../media/helpers.js';
import { tinyBatch, tinyRecipe, tinyTrainee } from './tiny.js';

const root = temporaryFolder();

describe('taskSheets', () => {
  before(() => setThreads(1));

  test('are the same however few tokens are taken at once', async (context) => {
    const recipe = tinyRecipe({}, { pipeline: { guidanceScale: 2 } });
    const { pipeline } = tinyTrainee(recipe);
    const sample = context.mock.method(pipeline, 'sample');
    const run = Run.open(join(root, 'run'), recipe);
    const batches = [tinyBatch([TASKS.i2v, TASKS.i2v, TASKS.i2v])];
    const sheets = async (tokensAtOnce: number) => {
      sample.mock.resetCalls();
      const { signal } = new AbortController();
      const options = { run, seed: 3, step: tokensAtOnce, signal, tokensAtOnce };
      const figures = await taskSheets(pipeline, batches, options);
      const path = run.path(`samples/transformer-${String(tokensAtOnce).padStart(6, '0')}-i2v.png`);
      assert.ok(existsSync(path), path);
      const made = sample.mock.calls.map((call) => call.arguments[0].prompts.length);
      return { psnr: figures['psnr/i2v']!, made };
    };
    // 30 tokens a sample, twice with guidance
    const whole = await sheets(180);
    const parts = await sheets(120);
    assert.deepEqual([whole.made, parts.made, (await sheets(1)).made], [[3], [2, 1], [1, 1, 1]]);
    // dB; float32 sums in another order
    assert.ok(Math.abs(whole.psnr - parts.psnr) < 1e-3, `${whole.psnr} and ${parts.psnr}`);
    run.close();
  });
});
