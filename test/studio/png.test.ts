import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { readMask } from '../../src/media/index.js';
import { encodePng } from '../../studio/logic/png.js';
import { temporaryFolder } from '../temp-folder.js';

const gray = (seed: number) => ({
  width: 7,
  height: 5,
  data: Uint8Array.from({ length: 35 }, (_, i) => (i * 37 + seed * 101) & 255),
});

/** Left of `column` white, the rest black. */
const split = (column: number) => ({
  width: 7,
  height: 5,
  data: Uint8Array.from({ length: 35 }, (_, i) => (i % 7 < column ? 255 : 0)),
});

describe('encodePng', () => {
  test('keeps every value of a picture', async () => {
    const bytes = await encodePng([gray(1)], 8);
    const { data, info } = await sharp(bytes)
      .extractChannel(0)
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [7, 5]);
    assert.deepEqual(new Uint8Array(data), gray(1).data);
  });

  test('writes an animation whose frames are read as the mask of each frame', async () => {
    const path = join(temporaryFolder(), 'mask.png');
    const frames = Array.from({ length: 7 }, (_, i) => split(i + 1));
    writeFileSync(path, await encodePng(frames, 8));
    const mask = await readMask(path);
    assert.deepEqual([mask.width, mask.height, mask.numFrames], [7, 5, 7]);
    const generated = Array.from(
      { length: 7 },
      (_, i) => [...mask.data.subarray(i * 35, (i + 1) * 35)].filter((value) => value > 0).length,
    );
    assert.deepEqual(generated, [5, 10, 15, 20, 25, 30, 35]);
  });
});
