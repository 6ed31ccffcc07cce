import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inCountingOrder } from '../../../src/media/codecs/counting-order.js';

describe('inCountingOrder', () => {
  const sets: [string, string[]][] = [
    ['numbers below zero come first', ['shot_-10', 'shot_-2', 'shot_-1', 'shot_0', 'shot_2']],
    ['they may stand alone', ['-10', '-1', '0', '3']],
    ['behind a dash too', ['take--2', 'take--1', 'take-0', 'take-10']],
    ['with leading zeros', ['f_-002', 'f_-001', 'f_0000', 'f_0001']],
    ['with a true minus', ['f_\u22122', 'f_\u22121', 'f_0']],
    ['after a letter, if the set counts on from zero', ['shot-2', 'shot-1', 'shot0', 'shot1']],
    ['a dash after a letter parts words', ['shot-1', 'shot-2', 'shot-10']],
    ['a dash that is everywhere parts words', ['scan -1', 'scan -2', 'scan -10']],
    ['a dash after a digit parts numbers', ['2023-12-31', '2024-01-02', '2024-01-10']],
    ['capitals do not matter', ['frame_1', 'Frame_2', 'frame_10']],
    ['digits of other scripts count', ['f\u0662', 'f\u0663', 'f\u0661\u0660']],
  ];
  for (const [what, sorted] of sets) {
    test(what, () => {
      assert.deepEqual(inCountingOrder([...sorted].reverse()), sorted);
      assert.deepEqual(inCountingOrder(sorted), sorted);
    });
  }

  test('equal numbers are in one order, whatever the order they are given in', () => {
    const names = ['f001', 'f01', 'f1'];
    assert.deepEqual(inCountingOrder(names), inCountingOrder([...names].reverse()));
  });
});
