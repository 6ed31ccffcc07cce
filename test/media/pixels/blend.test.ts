import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ShapeError } from '../../../src/errors.js';
import type { Frames } from '../../../src/media/frames.js';
import { blendKnown, crossFade } from '../../../src/media/pixels/blend.js';
import { flatFrames } from '../helpers.js';

/** Each value from its place. */
function framesOf(
  width: number,
  height: number,
  numFrames: number,
  value: (x: number, y: number, frame: number, channel: number) => number,
): Frames {
  const data = new Uint8ClampedArray(width * height * numFrames * 3);
  let at = 0;
  for (let frame = 0; frame < numFrames; frame++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++) data[at++] = value(x, y, frame, c);
      }
    }
  }
  return { width, height, numFrames, data: new Uint8Array(data.buffer) };
}

/** Something with detail, the same every time. */
const texture = (x: number, y: number, frame: number, c: number) =>
  110 + 40 * Math.sin(x / 5 + c) * Math.cos(y / 7 + frame) + ((x * 7 + y * 13 + c * 5) % 11);

const [W, H, F] = [64, 48, 3];
/** [F, H, W]: a box that moves to the right. */
const hole = new Uint8Array(F * H * W);
for (let frame = 0; frame < F; frame++) {
  for (let y = 10; y < 40; y++) {
    const row = (frame * H + y) * W;
    hole.fill(1, row + 16 + frame, row + 50 + frame);
  }
}

describe('blendKnown', () => {
  const original = framesOf(W, H, F, texture);

  test('keeps every known byte, and the deep inside of the hole', () => {
    const made = framesOf(W, H, F, (x, y, frame, c) => 200 - texture(y, x, frame, c) / 2);
    const feather = 8;
    const result = blendKnown(made, original, hole, { feather });
    let [known, deep] = [0, 0];
    for (let i = 0; i < hole.length; i++) {
      const [x, y, frame] = [i % W, Math.floor(i / W) % H, Math.floor(i / (W * H))];
      // pixels between this one and the nearest known one
      const inside = Math.min(x - 16 - frame, 49 + frame - x, y - 10, 39 - y);
      if (hole[i] && inside < feather) continue;
      const want = hole[i] ? made.data : original.data;
      hole[i] ? deep++ : known++;
      for (let j = i * 3; j < i * 3 + 3; j++) assert.equal(result.data[j], want[j]);
    }
    assert.ok(known > 5000 && deep > 500, `${known} known, ${deep} deep`);
  });

  test('takes away a difference at the seam, and less of it the further in', () => {
    const shift = [24, -16, 8];
    const made = framesOf(W, H, F, (x, y, f, c) => texture(x, y, f, c) + shift[c]!);
    const result = blendKnown(made, original, hole, { feather: 10 });
    for (let c = 0; c < 3; c++) {
      const errors = Array.from({ length: 15 }, (_, depth) => {
        const at = ((0 * H + 25) * W + 16 + depth) * 3 + c;
        return (result.data[at]! - original.data[at]!) / shift[c]!;
      });
      assert.ok(Math.abs(errors[0]!) <= 0.1, `${errors[0]}`);
      for (let i = 1; i < errors.length; i++) assert.ok(errors[i]! >= errors[i - 1]! - 0.15);
      assert.ok(errors[10]! > 0.9 && errors[14]! > 0.9);
    }
  });

  test('follows a difference that changes along the seam', () => {
    const drift = (x: number, y: number) => 30 * Math.sin(x / 20) + (y - 24);
    const made = framesOf(W, H, F, (x, y, f, c) => texture(x, y, f, c) + drift(x, y));
    const result = blendKnown(made, original, hole);
    let [before, after, count] = [0, 0, 0];
    for (let y = 10; y < 40; y++) {
      for (const x of [16, 49]) {
        const at = (y * W + x) * 3;
        before += Math.abs(made.data[at]! - original.data[at]!);
        after += Math.abs(result.data[at]! - original.data[at]!);
        count++;
      }
    }
    assert.ok(before / count > 10, `${before / count}`);
    assert.ok(after / count < 2, `${after / count}`);
  });

  test('only pastes with a feather of 0', () => {
    const made = framesOf(W, H, F, (x, y, frame, c) => texture(x, y, frame, c) + 20);
    const result = blendKnown(made, original, hole, { feather: 0 });
    hole.forEach((inside, i) => {
      assert.equal(result.data[i * 3], (inside ? made : original).data[i * 3]);
    });
  });

  test('takes one mask for all frames, all of a picture, and none of it', () => {
    const made = framesOf(W, H, F, (x, y, frame, c) => 255 - texture(x, y, frame, c));
    const still = hole.subarray(0, W * H);
    const repeated = Uint8Array.from([...still, ...still, ...still]);
    assert.deepEqual(blendKnown(made, original, still), blendKnown(made, original, repeated));
    const [all, none] = [new Uint8Array(W * H).fill(1), new Uint8Array(W * H)];
    assert.deepEqual(blendKnown(made, original, all), made);
    assert.deepEqual(blendKnown(made, original, none), original);
  });

  test('stays within 0 to 255', () => {
    const dark = flatFrames(8, 8, [[0, 0, 0]]);
    const made = framesOf(8, 8, 1, (x) => (x < 4 ? 250 : 40));
    const right = Uint8Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 0 : 1));
    assert.deepEqual(blendKnown(made, dark, right).data.subarray(12, 15), new Uint8Array(3));
    const left = right.map((value) => 1 - value);
    const light = flatFrames(8, 8, [[255, 255, 255]]);
    assert.deepEqual([...blendKnown(made, light, left).data.subarray(9, 12)], [255, 255, 255]);
  });

  test('names shapes that do not fit', () => {
    const small = flatFrames(8, 8, [[0, 0, 0]]);
    assert.throws(() => blendKnown(small, original, hole), /blendKnown: both must have one size/);
    assert.throws(
      () => blendKnown(original, original, hole.subarray(1)),
      (error: Error) =>
        error instanceof ShapeError && /hole must be \[F, H, W\] or \[H, W\]/.test(error.message),
    );
  });
});

test('crossFade goes evenly from one clip to the other', () => {
  const grays = (value: number) => flatFrames(4, 4, new Array(3).fill([value, value, 255 - value]));
  const faded = crossFade(grays(0), grays(200));
  const size = 4 * 4 * 3;
  assert.deepEqual(
    [0, 1, 2].map((frame) => [...faded.data.subarray(frame * size, frame * size + 3)]),
    [
      [50, 50, 205],
      [100, 100, 155],
      [150, 150, 105],
    ],
  );
  assert.throws(() => crossFade(faded, flatFrames(4, 4, [[0, 0, 0]])), /one size and length/);
});
