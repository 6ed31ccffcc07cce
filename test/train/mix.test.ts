import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TASK_IDS } from '../../src/tasks/index.js';
import { Recipe } from '../../src/train/config.js';
import { imageShare, meanImageShare, mixOf, trainedTasks } from '../../src/train/mix.js';

const recipe = (transformer: object, numFrames = 17, miniworld = {}): Recipe =>
  Recipe.parse({
    ...{ name: 'tiny', miniworld },
    autoencoder: { steps: 1, batches: [{ numFrames: 5, batchSize: 1 }] },
    latents: { clips: 1, numFrames, images: 1 },
    transformer: { steps: 1, ...transformer },
  });

const idsOf = (tasks: { task: { id: string } }[]) => tasks.map(({ task }) => task.id);

describe('the tasks of a recipe', () => {
  test('are all, where none are named and the data are enough', () => {
    assert.deepEqual(idsOf(trainedTasks(recipe({}))), TASK_IDS);
    // what counts as large is what is trained
    const small = { width: 16, height: 16 };
    assert.deepEqual(idsOf(trainedTasks(recipe({}, 17, small))), TASK_IDS);
  });

  test('are those that clips are long enough for', () => {
    const short = TASK_IDS.filter((id) => id !== 'vexd' && id !== 'vtrans');
    assert.deepEqual(idsOf(trainedTasks(recipe({}, 9))), short);
  });

  test('are drawn by weight, images and clips apart', () => {
    const { image, video } = mixOf(recipe({ tasks: { t2i: 1, isr: 3, t2v: 1, i2v: 1, vsr: 2 } }));
    const shares = (entries: typeof image) => entries.map(({ task, share }) => [task.id, share]);
    assert.deepEqual(shares(image), [
      ['t2i', 0.25],
      ['isr', 0.75],
    ]);
    assert.deepEqual(shares(video), [
      ['t2v', 0.25],
      ['i2v', 0.25],
      ['vsr', 0.5],
    ]);
  });
});

describe('the share of image batches', () => {
  test('goes from the first to the last until clips are mixed in fully', () => {
    const plan = recipe({ imageShare: [1, 0.25], mixAt: 0.5 });
    const at = [0, 0.25, 0.5, 1].map((done) => imageShare(done, plan));
    assert.deepEqual(at, [1, 0.625, 0.25, 0.25]);
    assert.equal(imageShare(0, recipe({ imageShare: [1, 0.25], mixAt: 0 })), 0.25);
  });

  test('is, over the whole run, the mean of that of every step', () => {
    for (const mixAt of [0, 0.3, 1]) {
      const plan = recipe({ imageShare: [0.9, 0.2], mixAt });
      const count = 10_000;
      let sum = 0;
      for (let i = 0; i < count; i++) sum += imageShare((i + 0.5) / count, plan);
      assert.ok(Math.abs(meanImageShare(plan) - sum / count) < 1e-6, String(mixAt));
    }
  });
});
