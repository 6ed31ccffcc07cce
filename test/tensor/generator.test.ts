import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  defaultGenerator,
  Generator,
  manualSeed,
  rand,
  randint,
  randn,
  randperm,
} from '../../src/tensor/index.js';

const draw = (generator: Generator) => [...randn([5], { generator }).toFloat32Array()];

describe('Generator', () => {
  test('the same seed gives the same stream, another seed another', () => {
    assert.deepEqual(draw(new Generator(7)), draw(new Generator(7)));
    assert.notDeepEqual(draw(new Generator(7)), draw(new Generator(8)));
    assert.deepEqual(draw(new Generator(2n ** 40n)), draw(new Generator(2 ** 40)));
  });

  test('gives the numbers that PyTorch gives for the seed', () => {
    // torch.manual_seed(0); torch.rand(3), torch 1.13
    const numbers = rand([3], { generator: new Generator(0) }).toFloat32Array();
    const expected = [0.4962566, 0.7682218, 0.0884774];
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - numbers[i]!)));
    assert.ok(worst < 1e-6);
  });

  test('goes on from a saved state, also after an odd number of normals', () => {
    const generator = new Generator(1);
    randn([3], { generator });
    const state = generator.getState();
    const expected = draw(generator);
    generator.setState(state);
    assert.deepEqual(draw(generator), expected);
    const another = new Generator(99);
    another.setState(state);
    assert.deepEqual(draw(another), expected);
  });

  test('is apart from the default generator', () => {
    manualSeed(3);
    const alone = [...rand([2]).toFloat32Array()];
    manualSeed(3);
    draw(new Generator(3));
    assert.deepEqual([...rand([2]).toFloat32Array()], alone);
  });

  test('refuses bytes that are no state', () => {
    const generator = new Generator(0);
    const before = draw(new Generator(0));
    assert.throws(() => generator.setState(new Uint8Array(3)), { name: 'OperatorError' });
    assert.deepEqual(draw(generator), before);
  });

  test('serves every random operator', () => {
    const generator = new Generator(5);
    const order = [...randperm(10, { generator }).toArray()].map(Number);
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    const dice = randint(0, 6, [100], { generator }).toFloat32Array();
    assert.ok(dice.every((value) => Number.isInteger(value) && value >= 0 && value < 6));
  });
});

describe('manualSeed', () => {
  test('seeds the default generator, whose state can be saved', () => {
    manualSeed(11);
    const first = [...randn([4]).toFloat32Array()];
    manualSeed(11);
    const state = defaultGenerator.getState();
    assert.deepEqual([...randn([4]).toFloat32Array()], first);
    defaultGenerator.setState(state);
    assert.deepEqual([...randn([4]).toFloat32Array()], first);
  });
});
