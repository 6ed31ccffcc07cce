import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShapeError } from '../../../src/errors.js';
import { ropeEmbedding, ropeTable } from '../../../src/models/transformer/index.js';
import { rmsNormRope } from '../../../src/nn/fused.js';
import { Generator, ones, randn, tensor } from '../../../src/tensor/index.js';

test('each axis turns its share of the head, by its own position', () => {
  const [frames, height, width, headDim] = [2, 3, 4, 32];
  const table = ropeEmbedding([frames, height, width], headDim);
  assert.deepEqual(table.shape, [24, 32, 2]);
  const values = table.toFloat32Array();
  for (const [f, h, w] of [
    [1, 0, 0],
    [0, 2, 3],
    [1, 1, 2],
  ]) {
    const token = (f * height + h) * width + w;
    for (let channel = 0; channel < headDim; channel++) {
      const [position, start, share] =
        channel < 8 ? [f, 0, 8] : channel < 20 ? [h, 8, 12] : [w, 20, 12];
      const pair = Math.floor((channel - start) / 2);
      const angle = position * 10_000 ** (-(2 * pair) / share);
      const at = (token * headDim + channel) * 2;
      assert.ok(Math.abs(values[at] - Math.cos(angle)) < 1e-6);
      assert.ok(Math.abs(values[at + 1] - Math.sin(angle)) < 1e-6);
    }
  }
});

test('a rotation keeps lengths, and scores depend on the distance alone', () => {
  const table = ropeTable(ropeEmbedding([1, 1, 6], 16));
  const generator = new Generator(0);
  // one head of RMS 1 at six places
  const turned = () => {
    const x = randn([1, 1, 16], { generator }).expand([1, 6, 16]).contiguous();
    return rmsNormRope(x, { weight: ones([16]), eps: 0 }, 1, table);
  };
  const [q, k] = [turned(), turned()]; // [1, 1, 6, 16]
  const norms = q.square().sum([-1]).toFloat32Array();
  for (const norm of norms) assert.ok(Math.abs(norm - 16) < 1e-4);
  const dot = (i: number, j: number) => q.select(2, i).mul(k.select(2, j)).sum().item();
  assert.ok(Math.abs(dot(0, 2) - dot(3, 5)) < 1e-4);
});

test('a table of another form is refused', () => {
  assert.throws(() => ropeTable(tensor([1, 2])), ShapeError);
});
