import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames } from '../../../src/media/frames.js';
import { chromaTransfer, matchColours, matchLuminance } from '../../../src/media/pixels/colours.js';
import { resizeFrames } from '../../../src/media/pixels/tensors.js';
import { colorAt, expectColor, flatFrames } from '../helpers.js';

/** Numbers 0..1, the same every time. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

function noisy(width: number, height: number, numFrames: number, seed: number): Frames {
  const random = numbers(seed);
  const data = new Uint8Array(width * height * numFrames * 3);
  return { width, height, numFrames, data: data.map(() => 256 * random.next().value) };
}

/** Y, Cb, Cr of every pixel: BT.601, full range (JFIF 1.02). */
const ycc = ({ data }: Frames) =>
  Array.from({ length: data.length / 3 }, (_, i) => {
    const [r, g, b] = [data[i * 3]!, data[i * 3 + 1]!, data[i * 3 + 2]!];
    const y = 0.299 * r + 0.587 * g + 0.114 * b;
    return [y, (b - y) / 1.772, (r - y) / 1.402] as const;
  });

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values: number[]) =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));

function worstLuma(a: Frames, b: Frames): number {
  const [left, right] = [ycc(a), ycc(b)];
  return left.reduce((most, [y], i) => Math.max(most, Math.abs(y - right[i]![0])), 0);
}

describe('matchLuminance', () => {
  test('keeps the luma of the original whatever the colours', () => {
    const [made, original] = [noisy(24, 16, 2, 1), noisy(48, 40, 2, 2)];
    const result = matchLuminance(made, original);
    assert.deepEqual([result.width, result.height, result.numFrames], [48, 40, 2]);
    // three roundings by at most half a level, weighted by 1 in all
    assert.ok(worstLuma(result, original) <= 0.5 + 1e-9, `${worstLuma(result, original)}`);
  });

  test('takes the chroma where the luma allows it', () => {
    const made = noisy(32, 32, 1, 3);
    const soft = { ...made, data: made.data.map((value) => 96 + value / 4) };
    const gray = flatFrames(64, 64, [[128, 128, 128]]);
    const [got, want] = [ycc(matchLuminance(soft, gray)), ycc(resizeFrames(soft, gray))];
    got.forEach(([, cb, cr], i) => {
      assert.ok(Math.abs(cb - want[i]![1]) < 1 && Math.abs(cr - want[i]![2]) < 1);
    });
  });

  test('gives back what has both already, and gray at the ends', () => {
    const clip = noisy(16, 16, 2, 4);
    assert.deepEqual(matchLuminance(clip, clip), clip);
    const red = flatFrames(4, 4, [[255, 0, 0]]);
    assert.deepEqual(colorAt(matchLuminance(red, flatFrames(4, 4, [[0, 0, 0]]))), [0, 0, 0]);
    const white = flatFrames(4, 4, [[255, 255, 255]]);
    assert.deepEqual(colorAt(matchLuminance(red, white)), [255, 255, 255]);
    // Y = 200: R - Y = 178.8 has room for 55
    const light = matchLuminance(red, flatFrames(4, 4, [[200, 200, 200]]));
    expectColor(colorAt(light), [255, 177, 177], 1);
  });

  test('needs equally many frames', () => {
    assert.throws(
      () => matchLuminance(noisy(8, 8, 2, 1), noisy(8, 8, 3, 1)),
      /equally many frames, got 2 and 3/,
    );
  });
});

describe('chromaTransfer', () => {
  test('takes over mean and spread of the chroma, and keeps luma', () => {
    // in the middle of the cube, so that all colours exist
    const near = (frames: Frames, low: number[], range: number) => ({
      ...frames,
      data: frames.data.map((value, i) => low[i % 3]! + (value / 255) * range),
    });
    const clip = near(noisy(32, 32, 2, 5), [110, 110, 110], 30);
    const reference = near(noisy(20, 20, 1, 6), [140, 100, 80], 50);
    const result = chromaTransfer(clip, reference)(clip);
    assert.ok(worstLuma(result, clip) <= 0.5 + 1e-9);
    for (const channel of [1, 2]) {
      const [got, want] = [result, reference].map((frames) => ycc(frames).map((p) => p[channel]!));
      assert.ok(Math.abs(mean(got!) - mean(want!)) < 0.1);
      assert.ok(Math.abs(deviation(got!) - deviation(want!)) < 0.1);
    }
  });

  test('gives a gray clip the mean chroma only', () => {
    const gray = flatFrames(8, 8, [[120, 120, 120]]);
    const reference = flatFrames(4, 4, [[150, 100, 90]]);
    const [, cb, cr] = ycc(chromaTransfer(gray, reference)(gray))[0]!;
    const [, wantCb, wantCr] = ycc(reference)[0]!;
    assert.ok(Math.abs(cb - wantCb) < 1 && Math.abs(cr - wantCr) < 1);
  });
});

describe('matchColours', () => {
  const from = noisy(32, 32, 2, 7);
  const soft = { ...from, data: from.data.map((value) => 60 + value / 2) };
  const changed = (gain: number, offset: number) => ({
    ...soft,
    data: soft.data.map((value) => Math.round(gain * value + offset)),
  });

  test('finds a gain and an offset again', () => {
    const [x] = colorAt(soft);
    const result = matchColours(soft, { from: soft, to: changed(1.1, -9) });
    assert.ok(Math.abs(colorAt(result)[0]! - (1.1 * x! - 9)) <= 1);
    assert.deepEqual(matchColours(soft, { from: soft, to: soft }), soft);
  });

  test('holds both to what a drift can be', () => {
    const pixel = flatFrames(1, 1, [[100, 100, 100]]);
    const [steep] = colorAt(matchColours(pixel, { from: soft, to: changed(1.6, -60) }));
    const middle = mean([...soft.data]);
    assert.ok(Math.abs(steep! - (1.25 * 100 + 1.6 * middle - 60 - 1.25 * middle)) < 2);
    const black = flatFrames(2, 2, [[0, 0, 0]]);
    const white = flatFrames(2, 2, [[255, 255, 255]]);
    assert.deepEqual(colorAt(matchColours(pixel, { from: black, to: white })), [148, 148, 148]);
  });

  test('does not take noise for less contrast', () => {
    const random = numbers(8);
    const shaken = (frames: Frames) => ({
      ...frames,
      data: frames.data.map((value) => value + 40 * (random.next().value - 0.5)),
    });
    const result = matchColours(soft, { from: shaken(soft), to: shaken(soft) });
    const worst = result.data.reduce((most, value, i) => {
      return Math.max(most, Math.abs(value - soft.data[i]!));
    }, 0);
    assert.ok(worst <= 2, `${worst}`);
  });

  test('needs the same frames twice', () => {
    assert.throws(
      () => matchColours(from, { from, to: noisy(32, 32, 1, 1) }),
      /from and to must be of one size and length/,
    );
  });
});
