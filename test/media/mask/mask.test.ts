import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { InputError } from '../../../src/errors.js';
import { writeImage, writeVideo } from '../../../src/media/codecs/write.js';
import { expectMaskFits, maskToTensor, readMask } from '../../../src/media/mask/mask.js';
import { temporaryFolder } from '../../temp-folder.js';
import { flatFrames, noFfmpeg } from '../helpers.js';

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

  /** A picture of one row of these grays. */
  const row = async (name: string, values: number[], of16 = false) => {
    const raw = { width: values.length, height: 1, channels: 1 as const };
    const data = of16 ? Uint16Array.from(values) : Uint8Array.from(values);
    const picture = sharp(data, { raw }).toColourspace(of16 ? 'grey16' : 'b-w');
    await picture.png().toFile(at(name));
    return at(name);
  };

  test('0 and 1, in 8 and in 16 bits, are black and white, which is noted', async () => {
    for (const of16 of [false, true]) {
      const path = await row('zero-one.png', [0, 1, 1, 0], of16);
      const notes: string[] = [];
      assert.deepEqual([...(await readMask(path, { notes })).data], [0, 1, 1, 0]);
      assert.deepEqual(notes, [
        `${path}: holds only two values, and its lightest value is 1 of 255, which is taken as white`,
      ]);
    }
    const whole = await row('low.png', [0, 255], true);
    assert.deepEqual([...(await readMask(whole)).data], [0, 1]);
  });

  test('of two dark colours of a palette the lighter one is white', async () => {
    const path = at('palette.png');
    await sharp(Buffer.from([0, 0, 0, 128, 0, 0, 0, 0, 0]), {
      raw: { width: 3, height: 1, channels: 3 },
    })
      .png({ palette: true })
      .toFile(path);
    const notes: string[] = [];
    assert.deepEqual([...(await readMask(path, { notes })).data], [0, 1, 0]);
    assert.match(notes.join(), /its lightest colour is #800000 \(38 of 255\)/);
  });

  test('a map of several dark labels is refused with what it holds', async () => {
    const path = await row('labels.png', [0, 1, 2, 3]);
    await assert.rejects(readMask(path), (error: Error) => {
      assert.ok(error instanceof InputError);
      assert.equal(
        error.message,
        `${path}: has no white part: its lightest value is 3 of 255, and it holds 4 values (0, 1, 2, 3), as a map of labels does; paint the part to be made white`,
      );
      return true;
    });
  });

  test('tells what the lightest part of one that is all of one gray is', async () => {
    assert.match((await readMask(await row('one.png', [1, 1]))).lightest!, /value is 1 of 255/);
    const strokes = Buffer.from([0, 0, 0, 255, 0, 0, 0, 0]);
    await sharp(strokes, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toFile(at('strokes.png'));
    assert.match((await readMask(at('strokes.png'))).lightest!, /not transparent it is black/);
  });

  test('all frames of a folder are looked at together', async () => {
    mkdirSync(at('masks'));
    await row('masks/1.png', [0, 0, 0]);
    await row('masks/2.png', [0, 1, 0]);
    assert.deepEqual([...(await readMask(at('masks'))).data], [0, 0, 0, 0, 1, 0]);
    await row('masks/3.png', [0, 2, 0]);
    await assert.rejects(readMask(at('masks')), /holds 3 values \(0, 1, 2\)/);
  });

  test('a frame of a folder may be darker than the others, in 16 bits too', async () => {
    mkdirSync(at('fading'));
    for (const [i, light] of [65535, 40000, 200].entries()) {
      await row(`fading/${i}.png`, [0, light, 0], true);
    }
    assert.deepEqual([...(await readMask(at('fading'))).data], [0, 1, 0, 0, 1, 0, 0, 0, 0]);
    mkdirSync(at('dark'));
    for (const i of [0, 1]) await row(`dark/${i}.png`, [0, i], true);
    assert.deepEqual([...(await readMask(at('dark'))).data], [0, 0, 0, 1]);
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
