import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { psnr } from '../../../src/media/pixels/psnr.js';
import { full, tensor, zeros } from '../../../src/tensor/index.js';

describe('psnr', () => {
  test('is 20 log10(peak / difference) for a constant difference', () => {
    const expected = 20 * Math.log10(2 / 0.1);
    assert.ok(Math.abs(psnr(full([1, 3, 2, 4, 4], 0.1), zeros([1, 3, 2, 4, 4])) - expected) < 1e-4);
  });

  test('clips to the range of pictures before it compares', () => {
    assert.equal(psnr(full([4], 3), full([4], 1)), Infinity);
  });

  test('counts only where the mask is set', () => {
    const mask = tensor([1, 0]);
    const value = psnr(tensor([0.2, 0.9]), zeros([2]), mask);
    assert.ok(Math.abs(value - 20 * Math.log10(2 / 0.2)) < 1e-4);
  });
});
