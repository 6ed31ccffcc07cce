import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { InputError } from '../../src/errors.js';
import { expectMaskFits, readMask } from '../../src/media/mask.js';
import { maskToTensor } from '../../src/media/tensors.js';
import { writeImage, writeVideo } from '../../src/media/write.js';
import { flatFrames, noFfmpeg, temporaryFolder } from './helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

describe('readMask', () => {
  test('white is 1, black and transparent are 0, the line is at 127', async () => {
    const pixels = Buffer.from(
      [0, 127, 128, 255].flatMap((v) => [v, v, v, 255]).concat(255, 255, 255, 0),
    );
    await sharp(pixels, { raw: { width: 5, height: 1, channels: 4 } })
      .png()
      .toFile(at('mask.png'));
    const mask = await readMask(at('mask.png'));
    assert.deepEqual([...mask.data], [0, 0, 1, 1, 0]);
    const tensor = maskToTensor(mask);
    assert.deepEqual(tensor.shape, [1, 1, 1, 1, 5]);
    assert.deepEqual([...tensor.toFloat32Array()], [0, 0, 1, 1, 0]);
  });

  test('reads a clip, frame by frame', { skip: noFfmpeg }, async () => {
    const clip = flatFrames(16, 16, [
      [0, 0, 0],
      [255, 255, 255],
      [0, 0, 0],
    ]);
    await writeVideo(at('mask.mp4'), clip, { fps: 8 });
    const mask = await readMask(at('mask.mp4'));
    assert.equal(mask.numFrames, 3);
    assert.deepEqual([mask.data[0], mask.data[256], mask.data[512]], [0, 1, 0]);
  });
});

test('expectMaskFits names both files, sizes and lengths', async () => {
  await writeImage(at('white.png'), flatFrames(8, 6, [[255, 255, 255]]));
  const mask = await readMask(at('white.png'));
  const clip = (width: number, height: number, numFrames: number) => ({
    ...flatFrames(width, height, new Array(numFrames).fill([0, 0, 0])),
    path: 'clip.mp4',
  });
  expectMaskFits(mask, clip(8, 6, 1));
  expectMaskFits(mask, clip(8, 6, 9));
  assert.throws(
    () => expectMaskFits(mask, clip(6, 8, 1)),
    (error: Error) =>
      error instanceof InputError && /size of its input \(6x8\), got 8x6/.test(error.message),
  );
  assert.throws(
    () => expectMaskFits({ ...mask, numFrames: 4 }, clip(8, 6, 9)),
    (error: Error) =>
      error instanceof InputError && /as many as its input \(9\), got 4/.test(error.message),
  );
});
