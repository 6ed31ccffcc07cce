import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { readRecipe } from '../../src/train/recipe.js';

const folder = mkdtempSync(join(tmpdir(), 'mfm-recipe-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = {
  name: 'tiny',
  autoencoder: { steps: 1, batches: [{ numFrames: 5, batchSize: 1 }] },
  latents: { clips: 1, images: 1 },
  transformer: { steps: 1 },
};

function recipe(source: unknown): string {
  const path = join(folder, 'recipe.yaml');
  writeFileSync(path, typeof source === 'string' ? source : JSON.stringify(source));
  return path;
}

const problemsOf = (source: unknown): string[] => {
  try {
    readRecipe(recipe(source));
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message.split('\n').map((line) => line.trim());
  }
  return [];
};

describe('readRecipe', () => {
  test('reads every recipe of the folder', () => {
    for (const name of readdirSync('recipes').filter((file) => file.endsWith('.yaml'))) {
      assert.equal(readRecipe(join('recipes', name)).name, name.replace('.yaml', ''));
    }
  });

  test('fills in defaults, but not what the pipeline says of itself', () => {
    const read = readRecipe(recipe(GOOD));
    assert.equal(read.transformer.learningRate, 1e-3);
    assert.deepEqual(read.pipeline, {});
  });

  test('applies changes before it checks', () => {
    const changes = [
      { path: ['transformer', 'steps'], value: 7 },
      { path: ['pipeline', 'fps'], value: 8 },
    ];
    const read = readRecipe(recipe(GOOD), changes);
    assert.deepEqual([read.transformer.steps, read.pipeline], [7, { fps: 8 }]);
  });

  test('lists all problems at once, with the key meant', () => {
    const problems = problemsOf({
      ...GOOD,
      sed: 1,
      transformer: { steps: 0, learningrate: 1, textDropout: { imag: 0.5 } },
      pipeline: { numFrame: 5 },
    });
    assert.match(problems[0]!, /recipe\.yaml: 5 problems$/);
    const all = problems.join('\n');
    assert.match(all, /^sed: unknown key; did you mean "seed"\?/m);
    assert.match(all, /^transformer\.steps: /m);
    assert.match(all, /^transformer\.learningrate: unknown key; did you mean "learningRate"\?/m);
    assert.match(all, /^transformer\.textDropout\.imag: unknown key; did you mean "image"\?/m);
    assert.match(all, /^pipeline\.numFrame: unknown key; did you mean "numFrames"\?/m);
  });

  test('checks what a schema cannot see', () => {
    const problems = problemsOf({
      ...GOOD,
      autoencoder: {
        steps: 1,
        batches: [{ numFrames: 6, batchSize: 1 }],
        blockOutChannels: [9, 8],
      },
      latents: { clips: 1, images: 1, numFrames: 7 },
      transformer: { steps: 1, tasks: { t2x: 1 } },
    }).join('\n');
    assert.match(problems, /autoencoder\.batches\.0\.numFrames: must be 4k \+ 1 .*got 6/);
    assert.match(problems, /latents\.numFrames: must be 4k \+ 1 .*got 7/);
    assert.match(problems, /transformer\.tasks\.t2x: unknown task; there are t2i/);
    assert.match(problems, /blockOutChannels: must be multiples of normNumGroups \(8\), got 9/);
    assert.match(problems, /blockOutChannels: must be 4 widths .*got 2/);
  });

  test('refuses tasks that the data cannot teach', () => {
    const problems = problemsOf({
      ...GOOD,
      latents: { clips: 1, images: 1, numFrames: 9 },
      transformer: { steps: 1, tasks: { t2i: 1, i2v: 1, vexd: 1, vtrans: 1 } },
    });
    assert.deepEqual(problems.slice(1), [
      'transformer.tasks.vexd: cannot be learnt from clips of 9 frames (fewer than 13 frames)',
      'transformer.tasks.vtrans: cannot be learnt from clips of 9 frames (fewer than 17 frames)',
    ]);
  });

  test('refuses batches that no task is there for', () => {
    const of = (tasks: Record<string, number>, more = {}) =>
      problemsOf({ ...GOOD, transformer: { steps: 1, tasks, ...more } }).slice(1);
    assert.deepEqual(of({ i2v: 1 }), [
      'transformer.imageShare: must be [0, 0] where no task makes an image, got [1, 0.1]',
    ]);
    assert.deepEqual(of({ iinp: 1 }), [
      'transformer.imageShare: must be [1, 1] where no task makes a clip, got [1, 0.1]',
    ]);
    assert.deepEqual(of({ i2v: 1 }, { imageShare: [0, 0] }), []);
    assert.deepEqual(of({ iinp: 1 }, { imageShare: [1, 1] }), []);
    // where clips are mixed in fully from the start, the first share never comes
    assert.deepEqual(of({ i2v: 1 }, { imageShare: [1, 0], mixAt: 0 }), []);
  });

  test('names a file that is missing or no recipe', () => {
    assert.throws(() => readRecipe(join(folder, 'none.yaml')), /none\.yaml: no such recipe/);
    assert.match(problemsOf('a: [1')[0]!, /must be YAML/);
    assert.match(problemsOf('- a')[0]!, /must hold keys and values/);
  });
});
