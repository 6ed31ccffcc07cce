import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  clipColourDrift,
  holeColourDrift,
  knownRegionError,
  seam,
} from '../../../src/eval/metrics/index.js';
import type { Frames } from '../../../src/media/index.js';

type Colour = [number, number, number];

function paint(
  [width, height, numFrames]: [number, number, number],
  colour: (x: number, y: number, f: number) => number | Colour,
): Frames {
  const data = new Uint8Array(width * height * numFrames * 3);
  for (let p = 0; p < width * height * numFrames; p++) {
    const [x, row] = [p % width, Math.floor(p / width)];
    const value = colour(x, row % height, Math.floor(row / height));
    data.set(typeof value === 'number' ? [value, value, value] : value, p * 3);
  }
  return { width, height, numFrames, data };
}

const where = (
  [width, height, numFrames]: [number, number, number],
  inHole: (x: number, y: number, f: number) => boolean,
): Uint8Array =>
  Uint8Array.from({ length: width * height * numFrames }, (_, p) => {
    const row = Math.floor(p / width);
    return inHole(p % width, row % height, Math.floor(row / height)) ? 1 : 0;
  });

const SIZE: [number, number, number] = [16, 12, 2];
const box = where(SIZE, (x, y) => x >= 4 && x < 10 && y >= 3 && y < 9);
const everywhere = where(SIZE, () => true);
const nowhere = where(SIZE, () => false);

describe('knownRegionError', () => {
  test('is the mean difference outside the hole, whatever is inside', () => {
    const given = paint(SIZE, () => 100);
    const result = paint(SIZE, (x, y, f) => (box[(f * 12 + y) * 16 + x] ? 250 : [100, 103, 94]));
    assert.equal(knownRegionError(result, given, box), 3);
    assert.equal(knownRegionError(given, given, box), 0);
    assert.equal(knownRegionError(result, given, everywhere), null);
  });

  test('rejects a hole of another size', () => {
    const clip = paint(SIZE, () => 0);
    assert.throws(() => knownRegionError(clip, clip, box.subarray(1)), /\[F, H, W\].*got 383/);
  });
});

describe('seam', () => {
  test('is what a flat patch is off by', () => {
    const clip = paint(SIZE, (x, y, f) => (box[(f * 12 + y) * 16 + x] ? 130 : 100));
    assert.equal(seam(clip, box), 30);
  });

  test('is 0 in slopes and stripes that go on through the hole', () => {
    assert.equal(
      seam(
        paint(SIZE, (x, y) => 5 * x + 7 * y),
        box,
      ),
      0,
    );
    assert.equal(
      seam(
        paint(SIZE, (x) => (x % 2 ? 200 : 50)),
        box,
      ),
      0,
    );
  });

  test('counts a jump beyond the slope alone, and is below 0 where the border is smoother', () => {
    const left = where(SIZE, (x) => x < 8);
    assert.equal(
      seam(
        paint(SIZE, (x) => 5 * x + (x < 8 ? 0 : 40)),
        left,
      ),
      40,
    );
    // slopes of 6 on both sides of two equal pixels
    assert.equal(
      seam(
        paint(SIZE, (x) => 6 * (x < 8 ? x : x - 1)),
        left,
      ),
      -6,
    );
  });

  test('takes the one side that there is, where the hole is one pixel wide', () => {
    const column = where(SIZE, (x) => x === 8);
    // outside the slope is 3; across the border 3 + 20 on the left and 20 - 3 on the right
    assert.equal(
      seam(
        paint(SIZE, (x) => 3 * x + (x === 8 ? 20 : 0)),
        column,
      ),
      17,
    );
  });

  test('is null without a border', () => {
    const clip = paint(SIZE, (x) => x);
    assert.equal(seam(clip, everywhere), null);
    assert.equal(seam(clip, nowhere), null);
  });

  test('sees no border between the frames', () => {
    const clip = paint(SIZE, (_x, _y, f) => 100 * f);
    assert.equal(
      seam(
        clip,
        where(SIZE, (_x, _y, f) => f === 1),
      ),
      null,
    );
  });
});

describe('holeColourDrift', () => {
  test('is the mean of the channels of what the colours differ by', () => {
    const clip = paint(SIZE, (x, y, f) =>
      box[(f * 12 + y) * 16 + x] ? [110, 100, 80] : [100, 100, 100],
    );
    assert.equal(holeColourDrift(clip, box), 10);
    assert.equal(
      holeColourDrift(
        paint(SIZE, () => 7),
        box,
      ),
      0,
    );
  });

  test('looks no further than its reach from the border', () => {
    const left = where(SIZE, (x) => x < 8);
    const clip = paint(SIZE, (x) => (x < 5 ? 255 : x < 8 ? 60 : x < 11 ? 50 : 0));
    assert.equal(holeColourDrift(clip, left, 3), 10);
    assert.equal(holeColourDrift(clip, left, 4), (3 * 60 + 255) / 4 - (3 * 50) / 4);
  });

  test('leaves out frames without a border, and is null if all are', () => {
    const second = where(SIZE, (x, _y, f) => f === 1 && x < 8);
    const clip = paint(SIZE, (x, _y, f) => (f === 1 && x < 8 ? 90 : 70));
    assert.equal(holeColourDrift(clip, second), 20);
    assert.equal(holeColourDrift(clip, everywhere), null);
    assert.equal(holeColourDrift(clip, nowhere), null);
  });
});

describe('clipColourDrift', () => {
  test('compares mean colours frame by frame, not pixels', () => {
    const clip = paint(SIZE, (x) => 100 + 10 * (x % 2));
    const turned = paint(SIZE, (x) => 110 - 10 * (x % 2));
    assert.equal(clipColourDrift(clip, turned), 0);
    const drifting = paint(SIZE, (x, _y, f) => [100 + 10 * (x % 2), 105 + 12 * f, 105]);
    assert.equal(clipColourDrift(clip, drifting), 2); // 0 and 12 / 3
  });
});
