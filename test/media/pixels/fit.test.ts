import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames } from '../../../src/media/frames.js';
import { FIT_WAYS, fitFrames } from '../../../src/media/pixels/fit.js';
import { resizeFrames } from '../../../src/media/pixels/tensors.js';
import { colorAt, flatFrames } from '../helpers.js';

/** Two frames; red grows to the right, green downward, blue is the frame. */
function ramps(width: number, height: number): Frames {
  const data = new Uint8Array(2 * width * height * 3);
  for (let i = 0; i < data.length / 3; i++) {
    data[i * 3] = i % width;
    data[i * 3 + 1] = Math.floor(i / width) % height;
    data[i * 3 + 2] = i < width * height ? 10 : 20;
  }
  return { width, height, numFrames: 2, data };
}

describe('fitFrames', () => {
  test('crops the longer side, as much on both ends', () => {
    const { frames, done } = fitFrames(ramps(100, 40), { width: 80, height: 40 }, 'crop');
    assert.deepEqual([frames.width, frames.height, frames.numFrames], [80, 40, 2]);
    assert.equal(done, 'cropped by 20% of its width');
    assert.deepEqual(colorAt(frames, 0, 0, 0), [10, 0, 10]);
    assert.deepEqual(colorAt(frames, 1, 79, 39), [89, 39, 20]);
    const tall = fitFrames(ramps(40, 100), { width: 80, height: 80 }, 'crop');
    assert.deepEqual([tall.frames.width, tall.frames.height], [80, 80]);
    assert.equal(tall.done, 'cropped by 60% of its height');
    assert.ok(Math.abs(colorAt(tall.frames, 0, 40, 40)[1]! - 50) <= 1);
  });

  test('pads with black bars and keeps all of the picture', () => {
    const { frames, done } = fitFrames(ramps(100, 40), { width: 100, height: 80 }, 'pad');
    assert.equal(done, 'padded: 50% of the height is black bars');
    assert.deepEqual(colorAt(frames, 1, 50, 19), [0, 0, 0]);
    assert.deepEqual(colorAt(frames, 1, 50, 20), [50, 0, 20]);
    assert.deepEqual(colorAt(frames, 1, 99, 59), [99, 39, 20]);
    assert.deepEqual(colorAt(frames, 1, 99, 60), [0, 0, 0]);
    const tall = fitFrames(ramps(40, 80), { width: 80, height: 80 }, 'pad');
    assert.equal(tall.done, 'padded: 50% of the width is black bars');
  });

  test('stretches to the size', () => {
    const clip = ramps(100, 40);
    const size = { width: 80, height: 40 };
    const { frames, done } = fitFrames(clip, size, 'stretch');
    assert.equal(done, 'stretched: made narrower by 20%');
    assert.deepEqual(frames, resizeFrames(clip, size));
    const other = fitFrames(clip, { width: 100, height: 20 }, 'stretch');
    assert.equal(other.done, 'stretched: made less high by 50%');
  });

  test('stretches whatever is said where the shapes are nearly the same', () => {
    const clip = ramps(102, 50);
    for (const how of FIT_WAYS) {
      const { frames, done } = fitFrames(clip, { width: 64, height: 32 }, how);
      assert.equal(done, 'scaled');
      assert.deepEqual(frames, resizeFrames(clip, { width: 64, height: 32 }));
      assert.deepEqual(fitFrames(clip, clip, how), { frames: clip, done: 'unchanged' });
    }
  });

  test('gives the exact size for extreme shapes', () => {
    for (const [width, height] of [
      [2000, 8],
      [8, 2000],
      [1, 1],
      [101, 57],
    ] as const) {
      for (const how of FIT_WAYS) {
        const picture = flatFrames(width, height, [[90, 120, 30]]);
        const { frames } = fitFrames(picture, { width: 65, height: 33 }, how);
        assert.equal(frames.data.length, 65 * 33 * 3);
        assert.deepEqual(colorAt(frames), [90, 120, 30]);
      }
    }
  });
});
