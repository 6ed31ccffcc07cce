import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closest, didYouMean } from '../src/suggest.js';

describe('closest', () => {
  const known = ['learningRate', 'batchSize', 'steps', 'generate', 'train'];

  test('finds a name with a letter too few, too many, changed or swapped', () => {
    for (const given of ['genrate', 'generatte', 'generade', 'genreate']) {
      assert.equal(closest(given, known), 'generate', given);
    }
  });

  test('ignores case, dashes and underscores', () => {
    assert.equal(closest('learning_rate', known), 'learningRate');
    assert.equal(closest('BATCH-SIZE', known), 'batchSize');
  });

  test('completes a beginning', () => {
    assert.equal(closest('gene', known), 'generate');
    // a whole name is nearer than one that begins with it
    assert.equal(closest('learningrate', ['learningRateWidth', 'learningRate']), 'learningRate');
  });

  test('finds nothing where nothing is near', () => {
    assert.equal(closest('frobnicate', known), undefined);
    assert.equal(didYouMean('zz', known), '');
    assert.equal(closest('x', []), undefined);
  });
});
