import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expectRoom } from '../../../src/train/cost/expect-room.js';
import { tinyRecipe } from '../tiny.js';

const ALONE = { ranks: 1, local: 1 };
const room = (bytes: number, device: string | null = null) => ({ bytes, device });

describe('expectRoom', () => {
  test('takes what fits, and refuses the first stage that does not', () => {
    const stages = [{ name: 'few' }, { name: 'many', tokensPerBatch: 40_000_000 }];
    const recipe = tinyRecipe({ stages });
    expectRoom(tinyRecipe(), ALONE, room(1e9));
    assert.throws(() => expectRoom(recipe, ALONE, room(1e9)), {
      name: 'InputError',
      message:
        /^stage "many": needs [\d.]+ TB of memory at its peak, and 1\.00 GB is available; lower tokensPerMicroBatch, .* `checkMemory: false`$/,
    });
    // taken a few at a time they fit
    const inParts = { ...stages[1], tokensPerMicroBatch: 100 };
    expectRoom(tinyRecipe({ stages: [inParts] }), ALONE, room(1e9));
  });

  test('counts a GPU for one process alone, and names it', () => {
    const recipe = tinyRecipe({ tokensPerBatch: 5000 });
    expectRoom(recipe, { ranks: 8, local: 8 }, room(200e6, 'cuda:1'));
    assert.throws(() => expectRoom(recipe, { ranks: 8, local: 8 }, room(1e6, 'cuda:1')), {
      name: 'InputError',
      message: /of memory at its peak, and 1\.0 MB is free on cuda:1; lower tokensPerMicroBatch/,
    });
  });

  test('counts the processes of the machine, which share its memory', () => {
    const recipe = tinyRecipe({ tokensPerBatch: 5000 });
    expectRoom(recipe, { ranks: 8, local: 1 }, room(200e6));
    assert.throws(() => expectRoom(recipe, { ranks: 8, local: 8 }, room(200e6)), {
      name: 'InputError',
      message: /of memory at its peak in each of 8 processes, and 200\.0 MB is available/,
    });
  });
});
