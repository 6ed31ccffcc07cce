import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zeros } from '../../../src/tensor/index.js';
import { expectTensors } from '../../../src/train/loop/expect-tensors.js';

describe('expectTensors', () => {
  const trained = new Map([
    ['transformer.a', zeros([2, 3])],
    ['transformer.b', zeros([4])],
  ]);
  const [a, b] = [zeros([2, 3]), zeros([4])];
  const remedy =
    'a run keeps training the weights that it began with (train, freeze, lora, alignment, sizes); start another with `run: FOLDER`';

  test('passes weights of the same names and shapes, in any order', () => {
    expectTensors({ 'transformer.b': b, 'transformer.a': a }, trained, 'run');
  });

  for (const [name, found, problem] of [
    ['that is missing', { 'transformer.a': a }, 'has no transformer.b, which the recipe trains'],
    ['of none at all', undefined, 'has no transformer.a, which the recipe trains'],
    [
      'of another shape',
      { 'transformer.a': b, 'transformer.b': b },
      'transformer.a must be [2, 3] as the recipe has it, got [4]',
    ],
    [
      'that is trained no more',
      { 'transformer.a': a, 'transformer.b': b, 'transformer.c': b },
      'has transformer.c, which the recipe does not train',
    ],
  ] as const) {
    test(`names a weight ${name}, and what to do`, () => {
      assert.throws(() => expectTensors(found, trained, 'run/checkpoints/transformer-00000003'), {
        name: 'InputError',
        message: `run/checkpoints/transformer-00000003: ${problem}; ${remedy}`,
      });
    });
  }
});
