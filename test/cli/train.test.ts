import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../mfm', import.meta.url));
const recipe = fileURLToPath(new URL('../../recipes/mfm-mini.yaml', import.meta.url));

describe('mfm train', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-train-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const train = (...words: string[]) => {
    const { status, stderr } = spawnSync(program, ['train', ...words], {
      encoding: 'utf8',
      cwd: folder,
    });
    return { status, stderr };
  };

  test('names every unknown key and what was meant, and starts no run', () => {
    const { status, stderr } = train(
      recipe,
      '--set',
      'transformer.learningrate=1',
      '--set',
      'autoencoder.stepps=1',
    );
    assert.equal(status, 2);
    assert.match(stderr, /2 problems/);
    assert.match(stderr, /transformer\.learningrate: unknown key; did you mean "learningRate"\?/);
    assert.match(stderr, /autoencoder\.stepps: unknown key; did you mean "steps"\?/);
    assert.ok(!existsSync(join(folder, 'runs')));
  });

  test('says that a recipe is missing', () => {
    const { status, stderr } = train('nowhere.yaml');
    assert.equal(status, 2);
    assert.match(stderr, /^nowhere\.yaml: no such recipe/);
  });

  test('leaves a folder that holds a run alone, and says how to go on', () => {
    const run = join(folder, 'mine');
    mkdirSync(run);
    writeFileSync(join(run, 'recipe.json'), '{}');
    const { status, stderr } = train(recipe, '--run', run);
    assert.equal(status, 2);
    assert.match(stderr, /holds a run already; --resume goes on with it/);
    assert.equal(readFileSync(join(run, 'recipe.json'), 'utf8'), '{}');
  });
});
