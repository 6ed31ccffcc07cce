import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LAST_SEED, lowBits, parseSeed, seedAfter, seedInJson } from '../src/seed.js';
import { Generator, randn } from '../src/tensor/index.js';

describe('seeds', () => {
  test('are read digit by digit, up to 64 bits', () => {
    const read: [string, number | bigint | null][] = [
      ['0', 0],
      ['0042', 42],
      ['1e3', 1000],
      ['9007199254740991', 9007199254740991],
      ['9007199254740993', 9007199254740993n],
      ['18446744073709551615', LAST_SEED],
      ['18446744073709551616', null],
      ['99999999999999999999999999999999999999', null],
      ['-1', null],
      ['1.5', null],
      ['', null],
      ['seven', null],
    ];
    for (const [text, seed] of read) assert.equal(parseSeed(text), seed, text);
  });

  test('follow one another without losing a digit; the first follows the last', () => {
    assert.equal(seedAfter(5, 3), 8);
    assert.equal(seedAfter(9007199254740991, 2), 9007199254740993n);
    assert.equal(seedAfter(LAST_SEED, 1), 0);
    assert.equal(seedAfter(LAST_SEED - 1n, 1), LAST_SEED);
  });

  test('stand in JSON as a number, or as text where a number would lose digits', () => {
    assert.equal(seedInJson(7), 7);
    assert.equal(seedInJson(LAST_SEED), '18446744073709551615');
  });

  test('give noise by their last 32 bits, as in PyTorch on the CPU', () => {
    const noise = (seed: number | bigint) => [
      ...randn([4], { generator: new Generator(seed) }).toFloat32Array(),
    ];
    assert.equal(lowBits(LAST_SEED), 2 ** 32 - 1);
    assert.deepEqual(noise(LAST_SEED), noise(2 ** 32 - 1));
    assert.deepEqual(noise(2 ** 40 + 7), noise(7));
    assert.notDeepEqual(noise(7), noise(8));
    assert.throws(() => new Generator(LAST_SEED + 1n), /must be from 0 to 18446744073709551615/);
  });
});
