import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import { NEAREST, readDepth } from '../../../src/media/depth/depth.js';
import { paletteOf } from '../../../src/media/depth/palettes.js';
import {
  createDepthWriter,
  type DepthFileOptions,
  expectDepthPlace,
} from '../../../src/media/depth/write-depth.js';
import { temporaryFolder } from '../../temp-folder.js';
import { listing, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const size = { width: 40, height: 24 };
const plane = size.width * size.height;

/** Depth from 3 up that grows to the right, downwards and with time; not in whole levels of gray. */
const depth = (numFrames: number): Float32Array =>
  Float32Array.from({ length: numFrames * plane }, (_, i) => {
    const [x, y, frame] = [i % 40, Math.floor(i / 40) % 24, Math.floor(i / plane)];
    return 3 + x / 13 + y / 7 + frame / 3;
  });

/** Writes in pieces of two frames. */
async function write(name: string, numFrames: number, options: DepthFileOptions = {}) {
  const path = at(name);
  expectDepthPlace(path, numFrames > 1 ? 'video' : 'image', options);
  const writer = await createDepthWriter(path, { fps: 8, ...options });
  const data = depth(numFrames);
  try {
    for (let frame = 0; frame < numFrames; frame += 2) {
      await writer.write(data.subarray(frame * plane, (frame + 2) * plane), size);
    }
    await writer.finish();
    return { path, written: writer.written };
  } finally {
    await writer.close();
  }
}

/** The largest difference from what was written, once both are from 0 to `NEAREST`. */
async function worst(path: string, numFrames: number, is: 'near' | 'far' = 'near') {
  const map = await readDepth(path, { is });
  assert.deepEqual([map.width, map.height, map.numFrames], [40, 24, numFrames]);
  const want = depth(numFrames);
  const most = want.at(-1)!;
  const raw = path.endsWith('.safetensors');
  return map.data.reduce((sum, value, i) => {
    const relative = raw ? want[i]! : ((want[i]! - 3) / (most - 3)) * NEAREST;
    return Math.max(sum, Math.abs(value - relative));
  }, 0);
}

describe('createDepthWriter', () => {
  const level8 = NEAREST / 255;
  const level16 = NEAREST / 65535;
  // half a level of gray, and float32; H.264 and VP9 are lossy and of limited range
  const cases: [string, number, number][] = [
    ['a.png', 1, 0.51 * level16],
    ['a.tif', 1, 1e-5],
    ['one.safetensors', 1, 0],
    ['five.safetensors', 5, 0],
    ['frames', 5, 0.51 * level16],
  ];
  for (const [name, numFrames, tolerance] of cases) {
    test(`${name}: readDepth gives back what was written`, async () => {
      const { path, written } = await write(name, numFrames);
      const got = await worst(path, numFrames);
      assert.ok(got <= tolerance, `${got} > ${tolerance}`);
      assert.deepEqual([written.least, written.numFrames], [3, numFrames]);
    });
  }

  for (const [name, tolerance] of [
    ['a.mkv', 0.51 * level8],
    ['a.mp4', 4 * level8],
    ['a.webm', 6 * level8],
  ] as const) {
    test(`${name}: so does a clip`, { skip: noFfmpeg }, async () => {
      const { path } = await write(name, 5);
      const got = await worst(path, 5);
      assert.ok(got <= tolerance, `${got} > ${tolerance}`);
      assert.equal((await readDepth(path)).fps, 8);
    });
  }

  test('inverted, white is far', async () => {
    const { path } = await write('far.png', 1, { invert: true });
    assert.ok((await worst(path, 1, 'far')) <= 0.51 * level16);
    assert.ok((await worst(path, 1, 'near')) > NEAREST / 2);
  });

  test('in colour, it is refused as depth, by the name of its palette', async () => {
    const { path } = await write('colour.png', 1, { colour: true });
    assert.equal(paletteOf((await readMedia(path)).data), 'turbo');
    await assert.rejects(readDepth(path), /false colours of the palette turbo/);
  });

  test('leaves no temporary file, and an older file as it was if it is not finished', async () => {
    writeFileSync(at('old.png'), 'old');
    const writer = await createDepthWriter(at('old.png'));
    await writer.write(depth(1), size);
    await writer.close();
    assert.equal(readFileSync(at('old.png'), 'utf8'), 'old');
    const left = await createDepthWriter(at('left'), { signal: AbortSignal.abort() });
    await left.write(depth(1), size);
    await assert.rejects(left.finish(), { name: 'AbortError' });
    await left.close();
    assert.deepEqual(
      listing(folder).filter((name) => name.startsWith('.') || name === 'left'),
      [],
    );
  });
});

describe('expectDepthPlace', () => {
  test('refuses what cannot hold it, in one sentence', () => {
    mkdirSync(at('full'));
    writeFileSync(at('full/a.txt'), 'mine');
    mkdirSync(at('empty'));
    expectDepthPlace(at('empty'), 'video');
    const cases: [string, 'image' | 'video', RegExp, DepthFileOptions?][] = [
      ['a.jpg', 'image', /a\.jpg: depth is written as \.png, .*got "\.jpg"$/],
      ['a.mp4', 'image', /a\.mp4: a picture is given, .*; name a \.png/],
      ['a.png', 'video', /a\.png: a clip is given, .*; name a \.mkv \(lossless\)/],
      ['full', 'video', /full: holds files already; name a new folder, or empty it$/],
      [
        'a.tif',
        'image',
        /a\.tif: holds the values as they are estimated; leave out `invert`/,
        { invert: true },
      ],
      ['a.safetensors', 'video', /leave out `colour`, or name another kind/, { colour: true }],
    ];
    for (const [name, kind, message, options] of cases) {
      assert.throws(() => expectDepthPlace(at(name), kind, options), {
        name: InputError.name,
        message,
      });
    }
    writeFileSync(at('file'), 'mine');
    assert.throws(() => expectDepthPlace(at('file'), 'video'), /file: is a file, and a folder is/);
  });
});
