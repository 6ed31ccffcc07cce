import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawScene, renderScene } from '../../../../src/data/miniworld/index.js';
import { sceneLabels } from '../../../../src/train/feed/encode/scene-labels.js';

test('a token has the means over its pixels and frames, the first frame by itself', () => {
  const target = { width: 48, height: 32, numFrames: 9 };
  const scene = drawScene(5, { split: 'train', maxObjects: 2 });
  const rendered = renderScene(scene, target);
  const labels = sceneLabels(rendered, target);
  assert.equal(labels.length, 3 * 2 * 3 * 6);
  // latent frame, its frames, row, column
  for (const [t, from, to, row, column] of [
    [0, 0, 1, 1, 2],
    [1, 1, 5, 0, 1],
    [2, 5, 9, 1, 1],
  ] as const) {
    const sums = new Float64Array(6);
    for (let frame = from; frame < to; frame++) {
      for (let y = 16 * row; y < 16 * row + 16; y++) {
        for (let x = 16 * column; x < 16 * column + 16; x++) {
          const pixel = (frame * 32 + y) * 48 + x;
          sums[rendered.masks[pixel]!]! += 1;
          sums[5]! += 6 / rendered.depth[pixel]!;
        }
      }
    }
    const token = ((t * 2 + row) * 3 + column) * 6;
    for (const [i, sum] of sums.entries()) {
      assert.ok(Math.abs(labels[token + i]! - sum / (256 * (to - from))) < 1e-4, `${t} ${i}`);
    }
  }
  // shares add up to 1
  const shares = labels.subarray(0, 5).reduce((sum, share) => sum + share, 0);
  assert.ok(Math.abs(shares - 1) < 1e-5);
});
