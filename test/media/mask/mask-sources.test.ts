import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { InputError } from '../../../src/errors.js';
import { writeImage } from '../../../src/media/codecs/write.js';
import type { Media } from '../../../src/media/frames.js';
import type { Mask } from '../../../src/media/mask/mask.js';
import {
  invertMask,
  type MaskSource,
  maskOf,
  parseBox,
  parseColour,
} from '../../../src/media/mask/mask-sources.js';
import { temporaryFolder } from '../../temp-folder.js';
import { flatFrames } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

function mediaOf(width: number, height: number, colours: number[][], alpha?: number[]): Media {
  const frames = flatFrames(width, height, colours);
  return {
    ...frames,
    path: 'in.png',
    kind: 'image',
    fps: null,
    alpha: alpha ? Uint8Array.from(alpha) : null,
    notes: [],
  };
}

const BLACK = [0, 0, 0];
const rejects = (source: MaskSource, media: Media, pattern: RegExp) =>
  assert.rejects(
    maskOf(source, media),
    (error: Error) => error instanceof InputError && pattern.test(error.message),
  );
const counted = ({ data }: Mask) => data.reduce((sum, value) => sum + value, 0);

describe('a mask from a file', () => {
  test('tells how much of it is gray, and takes the lighter half', async () => {
    const grays = Buffer.from([0, 100, 200, 255].flatMap((v) => [v, v, v]));
    await sharp(grays, { raw: { width: 4, height: 1, channels: 3 } })
      .png()
      .toFile(at('soft.png'));
    const notes: string[] = [];
    const mask = await maskOf({ file: at('soft.png') }, mediaOf(4, 1, [BLACK]), { notes });
    assert.deepEqual([...mask.data], [0, 0, 1, 1]);
    assert.deepEqual(notes, [`${at('soft.png')}: 50% of it is gray; above half counts as white`]);
  });

  test('says nothing about one that is black and white', async () => {
    await writeImage(at('white.png'), flatFrames(4, 2, [[255, 255, 255]]));
    const notes: string[] = [];
    const clip = mediaOf(4, 2, [BLACK, BLACK]);
    const mask = await maskOf({ file: at('white.png') }, clip, { notes });
    assert.deepEqual([mask.numFrames, counted(mask), notes], [1, 8, []]);
  });

  test('must have the size of the input', () =>
    rejects(
      { file: at('white.png') },
      mediaOf(5, 2, [BLACK]),
      /size of its input \(5x2\), got 4x2/,
    ));
});

describe('a mask from a box', () => {
  test('takes pixels and percent', async () => {
    const media = mediaOf(10, 4, [BLACK, BLACK]);
    const inPixels = await maskOf({ box: parseBox('1,1,5,2') }, media);
    assert.equal(inPixels.numFrames, 1);
    const row = [0, 1, 1, 1, 1, 1, 0, 0, 0, 0];
    const empty = new Array(10).fill(0);
    assert.deepEqual([...inPixels.data], [...empty, ...row, ...row, ...empty]);
    const inPercent = await maskOf({ box: parseBox('10%, 25%, 50%, 50%') }, media);
    assert.deepEqual(inPercent.data, inPixels.data);
  });

  test('must lie in the picture and hold at least a pixel', async () => {
    const media = mediaOf(10, 4, [BLACK]);
    await rejects({ box: parseBox('10,0,5,2') }, media, /lies outside in\.png \(10x4\)/);
    await rejects({ box: parseBox('-5,0,5,2') }, media, /lies outside in\.png \(10x4\)/);
    await rejects({ box: parseBox('8,0,5,2') }, media, /within in\.png \(10x4\), got 8,0 to 13,2/);
    await rejects({ box: parseBox('-1,0,5,2') }, media, /must lie within in\.png/);
    await rejects({ box: parseBox('1,1,0,2') }, media, /at least one pixel wide and high/);
  });

  test('names what cannot be read', () => {
    for (const text of ['1,2,3', '1,2,3,x', '1.5,2,3,4', '', '1,2,3,4,5']) {
      assert.throws(() => parseBox(text), /box: must be x,y,width,height in whole pixels or perc/);
    }
  });
});

describe('a mask from a colour', () => {
  test('takes what is near it in every channel, frame by frame', async () => {
    const clip = mediaOf(2, 1, [[10, 250, 5], BLACK, [20, 250, 0]]);
    const mask = await maskOf({ colour: [0, 255, 0], tolerance: 12 }, clip);
    assert.deepEqual([...mask.data], [1, 1, 0, 0, 0, 0]);
  });

  test('says how far the nearest pixel is when there is none', () =>
    rejects(
      { colour: [0, 255, 0], tolerance: 12 },
      mediaOf(2, 1, [[40, 250, 5]]),
      /no pixel of in\.png is within 12 of it, the nearest is 40 away/,
    ));

  test('is written as a number, a triple or a name', () => {
    assert.deepEqual(parseColour('#00ff00'), [0, 255, 0]);
    assert.deepEqual(parseColour('#f80'), [255, 136, 0]);
    assert.deepEqual(parseColour('1, 2,255'), [1, 2, 255]);
    assert.deepEqual(parseColour('Green'), [0, 255, 0]);
    for (const text of ['1,2,256', 'pinkish', '1,2', '#12345', '-1,2,3', 'constructor']) {
      assert.throws(() => parseColour(text), /colour: must be #rrggbb/);
    }
  });
});

describe('a mask from transparency', () => {
  test('takes what is less than half opaque', async () => {
    const notes: string[] = [];
    const media = mediaOf(5, 1, [BLACK], [0, 127, 128, 255, 255]);
    const mask = await maskOf({ alpha: true }, media, { notes });
    assert.deepEqual([...mask.data], [1, 1, 0, 0, 0]);
    assert.match(notes[0]!, /40% of it is partly transparent/);
  });

  test('must be there', async () => {
    await rejects({ alpha: true }, mediaOf(2, 1, [BLACK]), /in\.png: has no transparent part/);
    const hardly = mediaOf(2, 1, [BLACK], [200, 255]);
    await rejects({ alpha: true }, hardly, /in\.png: nothing in it is more than half transparent/);
  });
});

test('invertMask swaps what is made and what is kept', async () => {
  const mask = await maskOf({ box: parseBox('0,0,1,1') }, mediaOf(2, 1, [BLACK]));
  assert.deepEqual([...invertMask(mask).data], [0, 1]);
});
