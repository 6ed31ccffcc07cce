import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MODEL_INDEX } from '../../src/pipeline/index.js';
import { presetShape } from '../../src/pipeline/shape.js';
import { type DistilOptions, distilRecipe } from '../../src/train/index.js';
import { checkRecipe } from '../../src/train/recipe/read-recipe.js';
import { stagesOf } from '../../src/train/recipe/stages.js';
import { smallMini } from '../small-mini.js';
import { temporaryFolder } from '../temp-folder.js';

const root = temporaryFolder();
const mini = smallMini(temporaryFolder());

const stageOf = (pipeline: string, options?: DistilOptions) => {
  const recipe = checkRecipe(distilRecipe(pipeline, options), 'recipe');
  const [stage, ...others] = stagesOf(recipe);
  assert.equal(others.length, 0, 'nothing else is trained');
  return { recipe, stage: stage! };
};

/** A folder with the configurations of the 2B, and no weights. */
function large(): string {
  const folder = join(root, 'large');
  const { transformer, autoencoder, textEncoder } = presetShape('mfm-2b');
  for (const [part, config] of Object.entries({
    transformer,
    vae: autoencoder,
    text_encoder: textEncoder,
  })) {
    mkdirSync(join(folder, part), { recursive: true });
    writeFileSync(join(folder, part, 'config.json'), JSON.stringify(config));
  }
  mkdirSync(join(folder, 'scheduler'), { recursive: true });
  writeFileSync(join(folder, 'scheduler/scheduler_config.json'), JSON.stringify({ shift: 3 }));
  writeFileSync(join(folder, 'model_index.json'), JSON.stringify(MODEL_INDEX));
  return folder;
}

describe('distilRecipe', () => {
  test('of a small pipeline takes its own size, tasks and noise levels, and scenes', () => {
    const { recipe, stage } = stageOf(mini);
    assert.equal(recipe.name, 'distil-mfm-mini');
    assert.equal(recipe.base, mini);
    assert.deepEqual(Object.keys(recipe.data[0]!), ['miniworld', 'weight']);
    const { width, height, numFrames, timestepShift, tokensPerBatch, tasks } = stage;
    assert.deepEqual([width, height, numFrames, timestepShift], [64, 64, 17, 1.6]);
    assert.equal(tokensPerBatch, 16 * 80); // sixteen clips of five latent frames of 4x4 tokens
    assert.equal(Object.keys(tasks!).length, 19);
    assert.equal(tasks!.t2v, 3);
    assert.equal(stage.distillation!.inferenceSteps, 4);
  });

  test('follows what it is asked for', () => {
    const options = { data: ['clips'], numInferenceSteps: 2, trainSteps: 7, learningRate: 1e-5 };
    const { recipe, stage } = stageOf(mini, { ...options, tasks: ['t2i'], seed: 4 });
    assert.deepEqual(recipe.data, [{ manifest: 'clips', weight: 1 }]);
    assert.deepEqual([stage.steps, stage.learningRate, recipe.seed], [7, 1e-5, 4]);
    assert.equal(stage.distillation!.inferenceSteps, 2);
    assert.deepEqual([stage.tasks, stage.imageShare], [{ t2i: 3 }, [1, 1]]);
    assert.deepEqual(stageOf(mini, { tasks: ['t2v', 'vinp'] }).stage.imageShare, [0, 0]);
    assert.throws(() => distilRecipe(mini, { tasks: ['t2x'] }), /t2x/);
  });

  test('of a large one needs data, computes one clip at a time, and learns slowly', () => {
    assert.throws(() => distilRecipe(large()), {
      name: 'InputError',
      message: /^`data` is missing: give pictures and clips like those/,
    });
    const { stage } = stageOf(large(), { data: ['clips'] });
    const clip = 25 * 22 * 40; // 97 frames of 640x352
    assert.deepEqual([stage.tokensPerMicroBatch, stage.tokensPerBatch], [clip, 16 * clip]);
    assert.deepEqual([stage.gradCheckpointing, stage.timestepShift], [true, 3]);
    assert.equal(stage.learningRate, 5e-5);
  });
});
