import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames } from '../../src/media/index.js';
import { givenOfTile, sizedGiven, TileSum, tilesOf } from '../../src/pipeline/tiles.js';
import { given } from '../../src/tasks/index.js';

function noisy(width: number, height: number, numFrames = 1): Frames {
  const data = new Uint8Array(width * height * numFrames * 3).map((_, i) => (i * 7919) % 256);
  return { width, height, numFrames, data };
}

const SIZES = [
  [16, 16, 16],
  [32, 16, 16],
  [48, 48, 32],
  [64, 80, 32],
  [16, 304, 32],
  [336, 16, 48],
  [128, 64, 64],
] as const;

describe('tilesOf', () => {
  test('covers every pixel with tiles that lie within the picture and overlap', () => {
    for (const [width, height, side] of SIZES) {
      const tile = { width: Math.min(width, side), height: Math.min(height, side) };
      const seen = new Uint8Array(width * height);
      const tiles = tilesOf({ width, height }, tile);
      for (const { left, top } of tiles) {
        assert.ok(left >= 0 && top >= 0, `${left},${top}`);
        assert.ok(left + tile.width <= width && top + tile.height <= height);
        for (let y = top; y < top + tile.height; y++) {
          seen.fill(1, y * width + left, y * width + left + tile.width);
        }
      }
      assert.ok(seen.every(Boolean), `${width}x${height} in ${side}`);
      const lefts = [...new Set(tiles.map(({ left }) => left))].sort((a, b) => a - b);
      for (const [i, left] of lefts.entries()) {
        if (i > 0) assert.ok(lefts[i - 1]! + tile.width - left >= tile.width / 4 - 1);
      }
    }
  });

  test('one tile is enough for a picture of its size', () => {
    assert.deepEqual(tilesOf({ width: 32, height: 32 }, { width: 32, height: 32 }), [
      { left: 0, top: 0 },
    ]);
  });
});

describe('TileSum', () => {
  test('a clip cut into tiles and summed is the same clip', () => {
    for (const [width, height, side] of SIZES) {
      const clip = noisy(width, height, 2);
      const tile = { width: Math.min(width, side), height: Math.min(height, side) };
      const whole = given({ known: [{ frames: clip, at: [0, 1], hole: null }] });
      const sum = new TileSum(clip);
      for (const place of tilesOf(clip, tile)) {
        sum.add(place, givenOfTile(sizedGiven(whole, clip), place, tile).known[0]!.frames);
      }
      assert.deepEqual(sum.result(), clip, `${width}x${height} in ${side}`);
    }
  });

  test('two tiles fade into one another, each alone where the other does not reach', () => {
    const size = { width: 28, height: 16, numFrames: 1 };
    const sum = new TileSum(size);
    const flat = (value: number) => ({
      ...{ width: 16, height: 16, numFrames: 1 },
      data: new Uint8Array(16 * 16 * 3).fill(value),
    });
    sum.add({ left: 0, top: 0 }, flat(0));
    sum.add({ left: 12, top: 0 }, flat(200));
    const row = [...sum.result().data.subarray(0, 28 * 3)].filter((_, i) => i % 3 === 0);
    assert.ok(row.slice(0, 12).every((value) => value === 0));
    assert.ok(row.slice(16).every((value) => value === 200));
    const shared = row.slice(12, 16);
    assert.deepEqual(
      shared,
      [...shared].sort((a, b) => a - b),
    );
    assert.deepEqual(shared, [25, 75, 125, 175]);
  });
});
