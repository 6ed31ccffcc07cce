import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { miniWorld } from '../../../src/data/miniworld/index.js';
import {
  clipPsnr,
  frameBetween,
  motionSmoothnessByFlow,
  temporalFlicker,
} from '../../../src/eval/metrics/index.js';
import { type Frames, sliceFrames } from '../../../src/media/index.js';

/** Frames of one grey each. */
const greys = (...values: number[]): Frames => ({
  width: 16,
  height: 12,
  numFrames: values.length,
  data: Uint8Array.from(values.flatMap((value) => Array(16 * 12 * 3).fill(value))),
});

/** A pattern of long waves that goes by `speed` pixels to the right, a frame; `at` its places. */
function sliding(at: number[]): Frames {
  const [width, height] = [64, 48];
  const data = at.flatMap((place) =>
    Array.from({ length: width * height }, (_, p) => {
      const [x, y] = [(p % width) - place, Math.floor(p / width)];
      const value = 128 + 50 * Math.sin(0.25 * x + 0.1 * y) + 40 * Math.sin(0.3 * y - 0.15 * x);
      return [value, value, value];
    }).flat(),
  );
  return { width, height, numFrames: at.length, data: Uint8Array.from(data) };
}

describe('temporalFlicker', () => {
  test('is 1 of a still clip and falls by the mean change', () => {
    assert.equal(temporalFlicker(greys(9, 9, 9)), 1);
    assert.equal(temporalFlicker(greys(10, 30, 0)), (255 - 25) / 255);
    assert.equal(temporalFlicker(greys(0, 255, 0)), 0);
  });

  test('is null of an image', () => {
    assert.equal(temporalFlicker(greys(9)), null);
  });
});

describe('motionSmoothnessByFlow', () => {
  test('asks of each second frame how far it is from the mean of its neighbours, if all are flat', () => {
    assert.equal(motionSmoothnessByFlow(greys(10, 20, 30)), 1);
    assert.equal(motionSmoothnessByFlow(greys(10, 40, 30)), (255 - 20) / 255);
    // frames 1 and 3 of five are foretold; the last of four by nothing
    assert.equal(motionSmoothnessByFlow(greys(10, 20, 30, 70, 30)), (255 - 20) / 255);
    assert.equal(motionSmoothnessByFlow(greys(10, 20, 30, 200)), 1);
  });

  test('is near 1 of an even motion, and lower where it stumbles', () => {
    const even = motionSmoothnessByFlow(sliding([0, 3, 6, 9, 12]))!;
    const stumbling = motionSmoothnessByFlow(sliding([0, 6, 6, 12, 12]))!;
    assert.ok(even > 0.99, `got ${even}`);
    assert.ok(stumbling < even - 0.03, `got ${stumbling} beside ${even}`);
  });

  test('is null of fewer than three frames', () => {
    assert.equal(motionSmoothnessByFlow(greys(1, 2)), null);
  });
});

describe('frameBetween', () => {
  test('is nearer to the true frame than the mean of both is, in MiniWorld', () => {
    const size = { width: 64, height: 64, numFrames: 9 };
    for (const seed of [0, 3, 9]) {
      const { frames } = miniWorld(seed, { ...size, split: 'train' });
      const clip = { ...size, data: frames };
      const [from, middle, to] = [2, 4, 6].map((i) => sliceFrames(clip, i, i + 1));
      const mean = from!.data.map((value, i) => Math.round((value + to!.data[i]!) / 2));
      const gain =
        clipPsnr(frameBetween(from!, to!), middle!) - clipPsnr({ ...from!, data: mean }, middle!);
      assert.ok(gain > 1, `seed ${seed}: ${gain} dB`);
    }
  });
});
