import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { InputError, JobError } from '../../../src/errors.js';
import { writeFailure } from '../../../src/files/write-failure.js';
import { openClip } from '../../../src/media/codecs/clip-reader.js';
import { readImage } from '../../../src/media/codecs/image.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import { writeImage, writeMedia } from '../../../src/media/codecs/write.js';
import { temporaryFolder } from '../../temp-folder.js';
import { colorAt, expectColor, ffmpeg, flatFrames, listing, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const flat = (width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 3, background } });
const rejects = (path: string, pattern: RegExp) =>
  assert.rejects(readImage(path), (error: Error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, pattern);
    assert.ok(error.message.startsWith(`${path}: `));
    assert.ok(!error.message.includes('\n'));
    return true;
  });

/** Left half red, right half blue, 40x20. */
const halves = async () =>
  flat(40, 20, 'blue').composite([
    { input: await flat(20, 20, 'red').png().toBuffer(), left: 0, top: 0 },
  ]);

describe('readImage', () => {
  test('turns a photo upright by its EXIF orientation', async () => {
    const turned = (await halves()).withMetadata({ orientation: 6 });
    await turned.clone().jpeg({ quality: 100 }).toFile(at('turned.jpg'));
    await turned.clone().webp({ lossless: true }).toFile(at('turned.webp'));
    for (const name of ['turned.jpg', 'turned.webp']) {
      for (const image of [await readImage(at(name)), await readMedia(at(name))]) {
        assert.deepEqual([image.width, image.height], [20, 40]); // 6: a quarter turn clockwise
        expectColor(colorAt(image, 0, 10, 5), [254, 0, 0], 3);
        expectColor(colorAt(image, 0, 10, 35), [0, 0, 254], 3);
      }
      const clip = await openClip(at(name));
      assert.deepEqual([clip.kind, clip.width, clip.height], ['image', 20, 40]);
      await clip.close();
    }
  });

  test('composites alpha over white, or over a colour, and gives it apart', async () => {
    const pixels = Buffer.from([200, 100, 0, 255, 200, 100, 0, 128, 200, 100, 0, 0]);
    await sharp(pixels, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toFile(at('alpha.png'));
    const image = await readImage(at('alpha.png'));
    assert.deepEqual([...image.data], [200, 100, 0, 227, 177, 127, 255, 255, 255]);
    assert.deepEqual([...image.alpha!], [255, 128, 0]);
    assert.match(image.notes.join(), /alpha\.png: its transparent parts are shown over white/);
    const dark = await readImage(at('alpha.png'), { background: [0, 0, 0] });
    assert.deepEqual(colorAt(dark, 0, 2, 0), [0, 0, 0]);
  });

  test('brings 16 bits, palettes, grey and CMYK to 8-bit RGB', async () => {
    const ramp = Uint16Array.from({ length: 256 }, (_, i) => i * 257);
    const raw = { width: 256, height: 1, channels: 1 as const };
    await sharp(ramp, { raw }).toColourspace('grey16').png().toFile(at('gray16.png'));
    const gray = await readImage(at('gray16.png'));
    assert.deepEqual(
      [...gray.data],
      Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)),
    );

    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await sharp(bytes, { raw }).toColourspace('b-w').png().toFile(at('gray.png'));
    assert.deepEqual((await readImage(at('gray.png'))).data, gray.data);

    const picture = await halves();
    await picture.png({ palette: true, colours: 4 }).toFile(at('palette.png'));
    expectColor(colorAt(await readImage(at('palette.png')), 0, 5, 5), [255, 0, 0], 1);

    await flat(16, 16, '#dddddd')
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toFile(at('cmyk.jpg'));
    const cmyk = await readImage(at('cmyk.jpg'));
    assert.equal(cmyk.data.length, 16 * 16 * 3);
    expectColor(colorAt(cmyk), [221, 221, 221], 15); // printing inks hold no exact greys
  });

  test('goes by content, not by name', async () => {
    await flat(8, 8, 'lime').png().toFile(at('real.png'));
    writeFileSync(at('png-named.jpg'), readFileSync(at('real.png')));
    assert.deepEqual(colorAt(await readImage(at('png-named.jpg'))), [0, 255, 0]);
  });

  test('reads the smallest and the narrowest', async () => {
    for (const [width, height] of [
      [1, 1],
      [2000, 8],
      [8, 2000],
    ] as const) {
      await flat(width, height, 'red').png().toFile(at('shape.png'));
      const image = await readImage(at('shape.png'));
      assert.deepEqual([image.width, image.height], [width, height]);
    }
  });

  test('refuses damaged, empty, missing and other files in one sentence', async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251));
    const picture = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
    for (const [name, bytes] of [
      ['cut.png', await picture.png().toBuffer()],
      ['cut.jpg', await picture.jpeg().toBuffer()],
    ] as const) {
      writeFileSync(at(name), bytes.subarray(0, bytes.length / 2));
      await rejects(at(name), /cannot be decoded as a picture .* give another copy/);
    }
    writeFileSync(at('empty.png'), '');
    await rejects(at('empty.png'), /the file is empty/);
    await rejects(at('none.png'), /no such file/);
    writeFileSync(at('drawing.png'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await rejects(at('drawing.png'), /is SVG \(a drawing\), which is not read; export it as PNG/);
    await rejects(folder, /must be a picture, got a folder/);
  });
});

describe('clips that are pictures too', () => {
  const clip = {
    ...flatFrames(12, 10, [
      [255, 0, 0],
      [255, 0, 0],
      [0, 0, 255],
    ]),
  };
  // a moving dot, so that later frames are stored as differences
  clip.data.set([0, 255, 0], 3 * 5);
  clip.data.set([0, 255, 0], 360 + 3 * 6);

  for (const name of ['moving.gif', 'moving.webp']) {
    test(`${name}: all frames, complete; the first for a picture`, async () => {
      const raw = { width: 12, height: 30, channels: 3 as const, pageHeight: 10 };
      const animation = sharp(clip.data, { raw });
      const options = { delay: [200, 200, 200], loop: 0 };
      await (name.endsWith('gif')
        ? animation.gif(options)
        : animation.webp({ ...options, lossless: true })
      ).toFile(at(name));
      const media = await readMedia(at(name));
      assert.deepEqual([media.kind, media.numFrames, media.fps], ['video', 3, 5]);
      assert.deepEqual(media.data, clip.data);
      const late = await readMedia(at(name), { start: 0.2, maxFrames: 1 });
      assert.deepEqual(late.data, clip.data.subarray(360, 720));
      assert.equal((await readMedia(at(name), { fps: 10 })).numFrames, 6);
      const image = await readImage(at(name));
      assert.deepEqual([image.kind, image.numFrames], ['image', 1]);
      assert.match(image.notes[0]!, /first frame is used/);
    });
  }

  test('animated PNG: all frames with their opacity; the first for a picture', {
    skip: noFfmpeg,
  }, async () => {
    const source =
      'color=red:s=8x6:r=10:d=0.1,format=rgba[a];color=blue@0.5:s=8x6:r=10:d=0.2,format=rgba[b]';
    const args = ['-filter_complex', `${source};[a][b]concat=n=2,settb=1/10,setpts=N`];
    ffmpeg(...args, '-r', '10', '-f', 'apng', '-plays', '0', at('moves.png'));
    const clip = await readMedia(at('moves.png'));
    assert.deepEqual([clip.kind, clip.numFrames, clip.fps], ['video', 3, 10]);
    assert.deepEqual([clip.width, clip.height], [8, 6]);
    expectColor(colorAt(clip, 0), [254, 0, 0], 2);
    expectColor(colorAt(clip, 2), [127, 127, 255], 3);
    assert.ok(Math.abs(clip.alpha!.at(-1)! - 128) <= 1);
    const later = await readMedia(at('moves.png'), { start: 0.1, maxFrames: 1 });
    expectColor(colorAt(later), [127, 127, 255], 3);
    const image = await readImage(at('moves.png'));
    assert.match(image.notes.join(), /a clip, its first frame is used/);
    writeFileSync(at('cut.png'), readFileSync(at('moves.png')).subarray(0, -20));
    await rejects(at('cut.png'), /animated PNG that is cut off/);
  });

  test('GIF: delays too short for a browser last a tenth of a second, uneven ones are noted', async () => {
    const page = flat(4, 4, 'red').png().toBuffer();
    const of = async (name: string, delay: number[]) => {
      const pages = await Promise.all(
        delay.map((_, i) => (i % 2 === 0 ? page : flat(4, 4, 'blue').png().toBuffer())),
      );
      await sharp(pages, { join: { animated: true } })
        .gif({ delay })
        .toFile(at(name));
      return readMedia(at(name));
    };
    assert.deepEqual(
      [(await of('fast.gif', [0, 10])).fps, (await of('even.gif', [50, 50])).fps],
      [10, 20],
    );
    assert.deepEqual((await of('even.gif', [40, 50])).notes, []);
    const whole = readFileSync(at('even.gif'));
    writeFileSync(at('cut.gif'), whole.subarray(0, -5));
    assert.match(
      (await readMedia(at('cut.gif'))).notes.join(),
      /cut\.gif: damaged, 2 frames decoded \(it is cut off\)/,
    );
    writeFileSync(at('padded.gif'), Buffer.concat([whole, Buffer.alloc(9)]));
    assert.deepEqual((await readMedia(at('padded.gif'))).notes, []);
    assert.deepEqual((await of('uneven.gif', [40, 500, 40])).notes, [
      `${at('uneven.gif')}: its frames last from 40 to 500 ms; all are shown equally long`,
    ]);
  });

  test('the first frame of a video', { skip: noFfmpeg }, async () => {
    ffmpeg('-f', 'lavfi', '-i', 'color=red:s=32x32:d=1', '-c:v', 'mpeg4', at('red.mp4'));
    const image = await readImage(at('red.mp4'));
    assert.deepEqual([image.kind, image.numFrames, image.fps], ['image', 1, null]);
    expectColor(colorAt(image), [254, 0, 0], 4);
  });

  test('a folder of pictures, counted as people do', async () => {
    for (const [i, name] of ['f1.png', 'f2.png', 'f10.png'].entries()) {
      await writeImage(at(`frames/${name}`), flatFrames(6, 4, [[i, 0, 0]]));
    }
    writeFileSync(at('frames/notes.txt'), 'hello');
    const media = await readMedia(at('frames'), { fps: 12 });
    assert.deepEqual([media.numFrames, media.fps, media.kind], [3, 12, 'video']);
    assert.deepEqual(
      [0, 1, 2].map((i) => colorAt(media, i)[0]),
      [0, 1, 2],
    );
    await writeImage(at('frames/f11.png'), flatFrames(6, 6, [[0, 0, 0]]));
    await assert.rejects(
      readMedia(at('frames')),
      /f11\.png: all frames .* one size \(6x4 .*got 6x6/,
    );
    await writeImage(at('void/a.png'), flatFrames(2, 2, [[0, 0, 0]]));
    writeFileSync(at('void/a.png'), '');
    await assert.rejects(readMedia(at('void')), /a\.png: cannot be decoded/);
  });
});

describe('writeImage', () => {
  test('round-trips PNG exactly, JPEG and WebP closely', async () => {
    const image = flatFrames(7, 5, [[12, 200, 99]]);
    await writeImage(at('a/b/out.png'), image);
    assert.deepEqual((await readImage(at('a/b/out.png'))).data, image.data);
    for (const name of ['out.jpg', 'out.jpeg', 'out.webp']) {
      await writeMedia(at(`a/b/${name}`), image, { fps: 1 });
      expectColor(colorAt(await readImage(at(`a/b/${name}`))), [12, 200, 99], 4);
    }
    assert.deepEqual(listing(at('a/b')), ['out.jpeg', 'out.jpg', 'out.png', 'out.webp']);
  });

  test('names what cannot be written, and leaves nothing behind', async () => {
    const one = flatFrames(4, 4, [[0, 0, 0]]);
    const two = flatFrames(4, 4, [
      [0, 0, 0],
      [1, 1, 1],
    ]);
    await assert.rejects(writeImage(at('w/two.png'), two), /holds one picture, got 2 frames/);
    await assert.rejects(writeImage(at('w/one.bmp'), one), /must end in \.png/);
    await writeImage(at('w/one.png'), one);
    await assert.rejects(writeImage(at('w/one.png/x.png'), one), /part of its path is a file/);
    await assert.rejects(writeImage(at('w'), one), /must end in/);
    assert.deepEqual(listing(at('w')), ['one.png']);
  });

  test('says so when the disk is full', () => {
    const cause = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const error = writeFailure('out.png', cause);
    assert.ok(error instanceof JobError);
    assert.equal(
      error.message,
      'out.png: cannot be written, the disk is full; free some space and run again',
    );
  });
});
