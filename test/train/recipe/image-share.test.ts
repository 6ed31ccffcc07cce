import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TASK_IDS, taskOf, weightedTasks } from '../../../src/tasks/index.js';
import { Recipe, type Stage } from '../../../src/train/recipe/config.js';
import { imageShareAt, meanImageShare } from '../../../src/train/recipe/image-share.js';
import { lacking } from '../../../src/train/recipe/read-recipe.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';

const stageOf = (transformer: object): Stage =>
  stagesOf(Recipe.parse({ name: 'tiny', transformer: { steps: 1, ...transformer } }))[0]!;

const idsOf = (stage: Stage) => weightedTasks(stage.tasks).map(({ task }) => task.id);

describe('the tasks of a stage', () => {
  test('are all, each with its own weight, where none are named', () => {
    const stage = stageOf({});
    assert.deepEqual(idsOf(stage), TASK_IDS);
    for (const { task, weight } of weightedTasks(stage.tasks))
      assert.equal(weight, task.weight, task.id);
  });

  test('are those that are named, by the weights that are given', () => {
    const named = weightedTasks(stageOf({ tasks: { t2i: 1, isr: 3, vsr: 2 } }).tasks);
    assert.deepEqual(
      named.map(({ task, weight }) => [task.id, weight]),
      [
        ['t2i', 1],
        ['isr', 3],
        ['vsr', 2],
      ],
    );
  });

  test('can be taught by scenes of its size that are long enough', () => {
    const open = (stage: Stage) => TASK_IDS.filter((id) => lacking(taskOf(id), stage).length === 0);
    assert.deepEqual(open(stageOf({})), TASK_IDS);
    // what counts as large is what is trained
    assert.deepEqual(open(stageOf({ width: 16, height: 16 })), TASK_IDS);
    const short = TASK_IDS.filter((id) => id !== 'vexd');
    assert.deepEqual(open(stageOf({ numFrames: 9 })), short);
    assert.deepEqual(lacking(taskOf('vexd'), stageOf({ numFrames: 9 })), ['fewer than 13 frames']);
  });
});

describe('the share of image batches', () => {
  test('goes from the first to the last until clips are mixed in fully', () => {
    const plan = stageOf({ imageShare: [1, 0.25], mixAt: 0.5 });
    const at = [0, 0.25, 0.5, 1].map((done) => imageShareAt(done, plan));
    assert.deepEqual(at, [1, 0.625, 0.25, 0.25]);
    assert.equal(imageShareAt(0, stageOf({ imageShare: [1, 0.25], mixAt: 0 })), 0.25);
  });

  test('is, where none is given, that of what the tasks make', () => {
    const shareOf = (more: object) => stageOf(more).imageShare;
    assert.deepEqual(shareOf({}), [1, 0.1]);
    assert.deepEqual(shareOf({ tasks: { t2i: 1, vsr: 2 } }), [1, 0.1]);
    assert.deepEqual(shareOf({ tasks: { t2i: 1, isr: 2 } }), [1, 1]);
    assert.deepEqual(shareOf({ tasks: { t2v: 1, vsr: 2 } }), [0, 0]);
    assert.deepEqual(shareOf({ tasks: { vsr: 1 }, imageShare: [0.5, 0.5] }), [0.5, 0.5]);
    const transformer = { steps: 1, tasks: { isr: 1 } };
    const distillation = { tasks: { vsr: 1 } };
    const [all, last] = stagesOf(Recipe.parse({ name: 'tiny', transformer, distillation }));
    assert.deepEqual(
      [all!.imageShare, last!.imageShare],
      [
        [1, 1],
        [0, 0],
      ],
    );
    const own = { ...taskOf('isr'), id: 'mine' };
    const named = Recipe.parse({ name: 'own', transformer: { steps: 1, tasks: { mine: 1 } } });
    assert.deepEqual(stagesOf(named, [own])[0]!.imageShare, [1, 1]);
  });

  test('is, over the whole stage, the mean of that of every step', () => {
    for (const mixAt of [0, 0.3, 1]) {
      const plan = stageOf({ imageShare: [0.9, 0.2], mixAt });
      const count = 10_000;
      let sum = 0;
      for (let i = 0; i < count; i++) sum += imageShareAt((i + 0.5) / count, plan);
      assert.ok(Math.abs(meanImageShare(plan) - sum / count) < 1e-6, String(mixAt));
    }
  });
});
