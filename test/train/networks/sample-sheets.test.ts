import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { readImage } from '../../../src/media/index.js';
import { TASKS } from '../../../src/tasks/index.js';
import { setThreads } from '../../../src/tensor/index.js';
import { taskSheets } from '../../../src/train/networks/sample-sheets.js';
import { Run } from '../../../src/train/run/run.js';
import { temporaryFolder } from '../../temp-folder.js';
import { tinyBatch, tinyRecipe, tinyTrainee } from '../tiny.js';

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

  test('show the picture itself beside what is given, made, and copied', async () => {
    const recipe = tinyRecipe();
    const { pipeline } = tinyTrainee(recipe);
    const run = Run.open(join(root, 'shown'), recipe);
    const batch = tinyBatch([TASKS.iinp, TASKS.iinp, TASKS.iinp]);
    const { width, height } = batch.target;
    const [first, second] = batch.samples;
    // a colour that no network of random weights makes
    const data = new Uint8Array(width * height * 3).map((_, i) => [255, 0, 255][i % 3]!);
    first!.picture = async () => ({ width, height, numFrames: 1, data });
    second!.picture = async () => null;
    second!.trainedOn = true;
    const { signal } = new AbortController();
    const options = { run, seed: 3, step: 1, signal, tokensAtOnce: 180 };
    await taskSheets(pipeline, [batch], options);
    const sheet = await readImage(run.path('samples/transformer-000001-iinp.png'));
    run.close();
    const columns = new Set<number>();
    let pink = 0;
    for (let i = 0; i < sheet.width * sheet.height; i++) {
      if (sheet.data.subarray(3 * i, 3 * i + 3).join() !== '255,0,255') continue;
      pink++;
      columns.add(i % sheet.width);
    }
    assert.equal(pink, 4 * width * height, 'enlarged twice');
    // after what is given and what is made, each twice as wide, with gaps of 10 and a margin of 8
    assert.equal(Math.min(...columns), 8 + 2 * (2 * width + 10));
  });
});
