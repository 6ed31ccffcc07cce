import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budgetNotes } from '../../../src/train/cost/budget.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';
import { tinyRecipe } from '../tiny.js';

test('a budget that is less than a sample is said, by its kind', () => {
  // 32x48: 6 tokens of an image, 30 of a clip of 17 frames
  const notes = (plan: object) => budgetNotes(stagesOf(tinyRecipe(plan))[0]!);
  assert.deepEqual(notes({ tokensPerBatch: 30, tokensPerMicroBatch: 30 }), []);
  assert.deepEqual(notes({ tokensPerBatch: 29, tokensPerMicroBatch: 5 }), [
    'tokensPerMicroBatch 5 is less than the 6 tokens of one image: one is computed at a time nevertheless',
    'tokensPerBatch 29 is less than the 30 tokens of one clip: a batch holds one nevertheless',
    'tokensPerMicroBatch 5 is less than the 30 tokens of one clip: one is computed at a time nevertheless',
  ]);
  assert.deepEqual(notes({ tokensPerBatch: 6, imageShare: [1, 1] }), []);
});
