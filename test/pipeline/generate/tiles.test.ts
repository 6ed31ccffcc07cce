import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames } from '../../../src/media/index.js';
import {
  batchesOf,
  cutLatents,
  givenOfTile,
  sizedGiven,
  tileGrids,
  tileWeights,
  tileWork,
} from '../../../src/pipeline/generate/tiles.js';
import { given } from '../../../src/tasks/index.js';
import { arange, tidy } from '../../../src/tensor/index.js';

const SIZES = [
  [16, 16, 16],
  [32, 16, 16],
  [48, 48, 32],
  [64, 80, 32],
  [16, 304, 32],
  [336, 16, 48],
  [128, 64, 64],
  [96, 96, 64],
  [1024, 640, 64],
] as const;

describe('tileGrids', () => {
  test('covers every pixel in each grid, with tiles at latent pixels within the picture', () => {
    for (const [width, height, side] of SIZES) {
      const tile = { width: Math.min(width, side), height: Math.min(height, side) };
      for (const tiles of tileGrids({ width, height }, tile)) {
        const seen = new Uint8Array(width * height);
        for (const { left, top } of tiles) {
          assert.ok(left >= 0 && top >= 0 && left % 8 === 0 && top % 8 === 0, `${left},${top}`);
          assert.ok(left + tile.width <= width && top + tile.height <= height);
          for (let y = top; y < top + tile.height; y++) {
            seen.fill(1, y * width + left, y * width + left + tile.width);
          }
        }
        assert.ok(seen.every(Boolean), `${width}x${height} in ${side}`);
      }
    }
  });

  test('has no border that all grids share, where a picture is much larger than a tile', () => {
    for (const [all, side] of [
      [256, 64],
      [512, 64],
      [1024, 64],
      [2048, 640],
    ] as const) {
      const grids = tileGrids({ width: all, height: all }, { width: side, height: side });
      const borders = grids.map(
        (tiles) => new Set(tiles.flatMap(({ left }) => [left, left + side])),
      );
      const shared = [...borders[0]!].filter((place) => borders.every((one) => one.has(place)));
      assert.deepEqual(
        shared.filter((place) => place > side && place < all - side),
        [],
        `${all}`,
      );
    }
  });

  test('is hardly more work than one grid whose tiles overlap by a quarter', () => {
    const single = (side: number, tile: number) =>
      side <= tile ? 1 : Math.ceil((side - tile) / (tile * 0.75)) + 1;
    for (const [width, height, side] of SIZES) {
      const tile = { width: Math.min(width, side), height: Math.min(height, side) };
      const { perStep } = tileWork(tileGrids({ width, height }, tile), tile, 8);
      const before = single(width, tile.width) * single(height, tile.height);
      assert.ok(perStep <= 1.12 * before, `${width}x${height}: ${perStep} for ${before}`);
    }
  });

  test('one tile is enough for a picture of its size', () => {
    assert.deepEqual(tileGrids({ width: 32, height: 32 }, { width: 32, height: 32 })[0], [
      { left: 0, top: 0 },
    ]);
  });
});

test('batchesOf gives every tile once, in batches of nearly one size', () => {
  const grid = Array.from({ length: 23 }, (_, i) => ({ left: 8 * i, top: 0 }));
  const [batches] = batchesOf({ grids: [grid], samples: 10 });
  assert.deepEqual(batches!.flat(), grid);
  assert.deepEqual(
    batches!.map(({ length }) => length),
    [8, 7, 8],
  );
});

test('tileWeights is largest in the middle, above zero at the edges and the same from all sides', () => {
  tidy(() => {
    const weights = tileWeights({ width: 4, height: 2 }, 'cpu');
    assert.deepEqual(weights.shape, [1, 1, 1, 2, 4]);
    assert.deepEqual(
      [...weights.toFloat32Array()],
      [0.25, 0.75, 0.75, 0.25, 0.25, 0.75, 0.75, 0.25],
    );
  });
});

test('cutLatents and givenOfTile cut the same place', () => {
  const [width, height] = [8, 6];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.floor(i / 3));
  const frames: Frames = { width, height, numFrames: 1, data };
  const whole = sizedGiven(given({ known: [{ frames, at: [0], hole: null }] }), frames);
  const place = { left: 3, top: 2 };
  const size = { width: 4, height: 3 };
  const cut = givenOfTile(whole, place, size).known[0]!.frames;
  tidy(() => {
    const latents = arange(0, width * height, 1, { dtype: 'float32' }).view([
      1,
      1,
      1,
      height,
      width,
    ]);
    const own = cutLatents(latents, { ...place, ...size })
      .contiguous()
      .toFloat32Array();
    assert.deepEqual(
      [...own],
      [...cut.data].filter((_, i) => i % 3 === 0),
    );
  });
});
