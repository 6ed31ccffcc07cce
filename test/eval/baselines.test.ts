import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { meanFill, nearestFrameFill, repeatFirstFrame } from '../../src/eval/baselines.js';
import { BEST_PSNR, clipPsnr } from '../../src/eval/quality.js';
import type { Frames } from '../../src/media/index.js';

/** A clip of one row of grey pixels, by frame. */
function gray(frames: number[][]): Frames {
  const data = Uint8Array.from(frames.flat().flatMap((value) => [value, value, value]));
  return { width: frames[0]!.length, height: 1, numFrames: frames.length, data };
}

const valuesOf = ({ data, width, numFrames }: Frames) =>
  Array.from({ length: numFrames }, (_, f) =>
    Array.from({ length: width }, (_, x) => data[(f * width + x) * 3]!),
  );

describe('repeatFirstFrame', () => {
  test('stands still', () => {
    const clip = gray([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    assert.deepEqual(valuesOf(repeatFirstFrame(clip)), [
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });
});

describe('meanFill', () => {
  test("takes each frame's mean of what is known, channel by channel", () => {
    const data = Uint8Array.from([10, 20, 30, 20, 40, 60, 99, 99, 99]);
    const clip: Frames = { width: 3, height: 1, numFrames: 1, data };
    const filled = meanFill(clip, Uint8Array.from([0, 0, 1]));
    assert.deepEqual([...filled.data], [10, 20, 30, 20, 40, 60, 15, 30, 45]);
  });

  test('takes the mean of the clip for a frame that is all hole, and grey for such a clip', () => {
    const clip = gray([
      [10, 30],
      [99, 99],
    ]);
    const filled = meanFill(clip, Uint8Array.from([0, 0, 1, 1]));
    assert.deepEqual(valuesOf(filled), [
      [10, 30],
      [20, 20],
    ]);
    assert.deepEqual(valuesOf(meanFill(clip, new Uint8Array(4).fill(1))), [
      [128, 128],
      [128, 128],
    ]);
  });
});

describe('nearestFrameFill', () => {
  test('takes the nearest frame that knows the pixel, the earlier of two', () => {
    const clip = gray([
      [1, 50],
      [2, 50],
      [3, 50],
      [4, 50],
      [5, 50],
    ]);
    const at = (...frames: number[]) =>
      Uint8Array.from({ length: 10 }, (_, i) => (i % 2 === 0 && frames.includes(i / 2) ? 1 : 0));
    const first = (hole: Uint8Array) => valuesOf(nearestFrameFill(clip, hole)).map(([x]) => x);
    assert.deepEqual(first(at(2)), [1, 2, 2, 4, 5]);
    assert.deepEqual(first(at(0, 1)), [3, 3, 3, 4, 5]);
    assert.deepEqual(first(at(1, 2, 3)), [1, 1, 1, 5, 5]);
  });

  test('takes the mean where no frame knows the pixel', () => {
    const clip = gray([
      [99, 10, 20],
      [99, 30, 50],
    ]);
    const hole = Uint8Array.from([1, 0, 0, 1, 0, 0]);
    assert.deepEqual(valuesOf(nearestFrameFill(clip, hole)), [
      [15, 10, 20],
      [40, 30, 50],
    ]);
  });
});

describe('fills', () => {
  test('never look into the hole, and keep the rest', () => {
    const hole = Uint8Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const clip = (inside: number) => {
      const values = Array.from({ length: 12 }, (_, i) => (hole[i] ? inside : 7 * i));
      return gray([values.slice(0, 4), values.slice(4, 8), values.slice(8)]);
    };
    for (const fill of [meanFill, nearestFrameFill]) {
      assert.deepEqual(fill(clip(0), hole), fill(clip(200), hole));
      const filled = fill(clip(0), hole);
      hole.forEach((missing, i) => {
        if (!missing) assert.equal(filled.data[i * 3], 7 * i);
      });
    }
  });
});

describe('clipPsnr', () => {
  test('is 20 log10(255 / difference) for an even difference, inside the mask alone', () => {
    const [a, b] = [gray([[100, 100]]), gray([[110, 200]])];
    const within = (x: number, y: number) => Math.abs(x - y) < 1e-3;
    assert.ok(within(clipPsnr(a, b, Uint8Array.from([1, 0])), 20 * Math.log10(25.5)));
    assert.ok(within(clipPsnr(a, b, Uint8Array.from([0, 1])), 20 * Math.log10(2.55)));
    assert.ok(within(clipPsnr(a, b), 10 * Math.log10(255 ** 2 / ((100 + 10000) / 2))));
    assert.equal(clipPsnr(a, a), BEST_PSNR);
  });
});
