import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dryRun } from '../../../../src/cli/commands/train/dry-run.js';
import { setThreads } from '../../../../src/tensor/index.js';
import { checkRecipe } from '../../../../src/train/recipe/read-recipe.js';

const PLAN = {
  steps: 40,
  width: 32,
  height: 32,
  patchSize: 4,
  hiddenSize: 16,
  numLayers: 4,
  numHeads: 2,
  batchSize: 3,
};

test('a dry run tells what a depth model takes, alone and beside a pipeline', () => {
  setThreads(1);
  const alone = checkRecipe({ name: 'depth', depthModel: PLAN }, 'recipe');
  const text = dryRun({ recipe: alone, folder: 'runs/depth' });
  assert.match(text, /^depth: nothing is trained; the run would be runs\/depth$/m);
  const row =
    /^ {2}depthModel +40 steps of 3 pictures of 32x32 +[\d.]+ k parameters +about \S.* +of scenes without photos$/m;
  assert.match(text, row);
  assert.match(text, /^memory: \S+ MB at its most, .* is available$/m);

  const both = checkRecipe(
    { name: 'both', depthModel: PLAN, transformer: { steps: 1, numLayers: 1, numHeads: 1 } },
    'recipe',
  );
  const whole = dryRun({ recipe: both, folder: 'runs/both' });
  assert.match(whole, row);
  assert.match(whole, /^ {2}autoencoder /m);
});
