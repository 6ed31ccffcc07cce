import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { InputError } from '../../../src/errors.js';
import { readImage } from '../../../src/media/codecs/image.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import { sniff } from '../../../src/media/codecs/sniff.js';
import { readDepth } from '../../../src/media/depth/depth.js';
import { temporaryFolder } from '../../temp-folder.js';
import { expectColor, ffmpeg, noFfmpeg } from '../helpers.js';
import { tiffOf } from './tiff.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
let count = 0;

/** A file with these bytes. */
function fileOf(bytes: Buffer | string, ending = 'tif'): string {
  const path = at(`${count++}.${ending}`);
  writeFileSync(path, bytes);
  return path;
}

const rejects = (path: string, pattern: RegExp, read = readImage as (path: string) => unknown) =>
  assert.rejects(
    async () => read(path),
    (error: Error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, pattern);
      assert.ok(error.message.startsWith(`${path}: `), error.message);
      assert.ok(!error.message.includes('\n'));
      return true;
    },
  );

/** Grays of a picture of one row. */
const grays = async (path: string) =>
  [...(await readImage(path)).data].filter((_, i) => i % 3 === 0);

describe('TIFF of floats', () => {
  const floats = (values: number[], more = {}) =>
    fileOf(
      tiffOf([
        { width: values.length, bits: 32, format: 3, data: Float32Array.from(values), ...more },
      ]),
    );
  const rgb = { width: 2, samples: 3, photometric: 2 };

  test('0 to 1 is black to white, which is noted; little beyond is cut off', async () => {
    const path = floats([0, 0.25, 0.5, 1]);
    assert.deepEqual(await grays(path), [0, 64, 128, 255]);
    const { notes } = await readImage(path);
    assert.deepEqual(notes, [`${path}: holds 32-bit floats; 0 is read as black, 1 as white`]);
    assert.deepEqual(await grays(floats([-0.03, 0.5, 1.02])), [0, 128, 255]);
  });

  test('RGB is read by the same rule as gray', async () => {
    const { data } = await readImage(floats([0, 0.25, 0.5, 1, 1, 0], rgb));
    assert.deepEqual([...data], [0, 64, 128, 255, 255, 0]);
    const shown = { ...rgb, samples: 4, extra: [2] };
    const { data: over, alpha } = await readImage(floats([0, 0, 0, 0.5, 1, 0.5, 0, 1], shown));
    assert.deepEqual([...over], [127, 127, 127, 255, 128, 0]);
    assert.deepEqual([...alpha!], [128, 255]);
  });

  test('other ranges and values that are no numbers are refused, with what they are', async () => {
    await rejects(
      floats([0, 812.5]),
      /32-bit floats from 0 to 812\.5, but only 0 \(black\) to 1 \(white\) is read.*8 or 16 b/,
    );
    await rejects(floats([-2, 0.5]), /32-bit floats from -2 to 0\.5/);
    await rejects(floats([0, Number.NaN, 1]), /1 of its 3 32-bit floats are not numbers/);
    await rejects(
      floats([0, Number.POSITIVE_INFINITY]),
      /1 of its 2 32-bit floats are not numbers/,
    );
  });

  test('as depth they may have any range', async () => {
    const { data } = await readDepth(floats([1.5, 2, 6.5, 4]));
    assert.deepEqual([...data], [0, 1, 10, 5]);
    await rejects(floats([1, Number.NaN]), /not numbers/, readDepth);
    await rejects(floats([0, 0.5, 1, 1, 1, 1], rgb), /is in colour/, readDepth);
  });
});

describe('TIFF of other samples', () => {
  const refused: [string, Parameters<typeof tiffOf>[0][0], RegExp][] = [
    [
      '64-bit floats',
      { width: 1, bits: 64, format: 3, data: new Float64Array(1) },
      /64-bit floats/,
    ],
    ['half floats', { width: 1, bits: 16, format: 3, data: new Uint16Array(1) }, /16-bit floats/],
    ['32-bit whole numbers', { width: 1, bits: 32, data: new Uint32Array(1) }, /32-bit numbers/],
    ['signed numbers', { width: 1, bits: 16, format: 2, data: new Int16Array(1) }, /signed 16-bit/],
    ['12 bits', { width: 2, bits: 12, data: new Uint8Array(3) }, /12-bit numbers/],
    ['complex', { width: 1, bits: 64, format: 6, data: new Float32Array(2) }, /complex numbers/],
    ['YCbCr', { width: 1, samples: 3, photometric: 6, data: new Uint8Array(3) }, /\(YCbCr\)/],
    ['CIELAB', { width: 1, samples: 3, photometric: 8, data: new Uint8Array(3) }, /CIELAB/],
    ['five', { width: 1, samples: 5, extra: [0, 0, 0, 0], data: new Uint8Array(5) }, /5 channels/],
    ['sensor', { width: 1, photometric: 32803, data: new Uint8Array(1) }, /camera's raw file/],
    ['DNG', { width: 1, tags: [[50706, 0x401]], data: new Uint8Array(1) }, /camera's raw file/],
  ];
  for (const [name, picture, pattern] of refused) {
    test(`${name}: refused by name`, () => rejects(fileOf(tiffOf([picture])), pattern));
  }

  test('16 bits that are all but black are refused, dark ones noted, black ones read', async () => {
    const of = (values: number[]) =>
      fileOf(tiffOf([{ width: values.length, bits: 16, data: Uint16Array.from(values) }]));
    await rejects(
      of([0, 255]),
      /is black, its lightest value is 255 of 65535; scale its values up/,
    );
    const dark = of([0, 4095]);
    const { notes } = await readImage(dark);
    assert.match(notes.join(), /its lightest value is 4095 of 65535, so it is dark/);
    assert.deepEqual((await readImage(of([0, 0]))).notes, []);
    assert.deepEqual((await readImage(of([0, 65535]))).notes, []);
  });

  test('white may be zero; BigTIFF is TIFF', async () => {
    const data = Uint8Array.from([0, 64, 255]);
    assert.deepEqual(
      await grays(fileOf(tiffOf([{ width: 3, photometric: 0, data }]))),
      [255, 191, 0],
    );
    assert.deepEqual(
      await grays(fileOf(tiffOf([{ width: 3, data }], { big: true }))),
      [0, 64, 255],
    );
  });

  test('a channel that is not said to be opacity is left out, further pictures are noted', async () => {
    const data = Uint8Array.from([200, 100, 50, 0]);
    const path = fileOf(tiffOf([{ width: 1, samples: 4, photometric: 2, extra: [0], data }]));
    const image = await readImage(path);
    assert.deepEqual([[...image.data], image.alpha], [[200, 100, 50], null]);
    assert.match(image.notes.join(), /its last channel is not marked as opacity/);
    const page = { width: 1, data: Uint8Array.from([7]) };
    const pages = fileOf(tiffOf([page, page, { ...page, tags: [[254, 1]] }]));
    assert.match((await readImage(pages)).notes.join(), /holds 2 pictures, the first one is read/);
  });
});

test('RGB of 16 bits with a colour profile has the colours of 8 bits', async () => {
  const pixels = Buffer.from([200, 50, 50, 50, 200, 50]);
  const raw = { raw: { width: 2, height: 1, channels: 3 as const } };
  for (const profile of ['srgb', 'p3']) {
    const path = fileOf(
      await sharp(pixels, raw).toColourspace('rgb16').withIccProfile(profile).png().toBuffer(),
      'png',
    );
    const { data } = await readImage(path);
    expectColor([...data.subarray(0, 3)], [200, 50, 50], 3);
    expectColor([...data.subarray(3)], [50, 200, 50], 3);
  }
  const grays = { raw: { width: 2, height: 1, channels: 3 as const } };
  const deep = sharp(Buffer.from([0, 0, 0, 200, 200, 200]), grays).toColourspace('rgb16');
  const map = await readDepth(fileOf(await deep.withIccProfile('srgb').png().toBuffer(), 'png'));
  assert.deepEqual([...map.data], [0, 10]);
});

describe('kinds that ffmpeg makes into PNG', { skip: noFfmpeg }, () => {
  test('BMP, Netpbm and Targa are pictures, without a word', async () => {
    for (const [ending, ...args] of [
      ['bmp'],
      ['ppm'],
      ['pgm', '-pix_fmt', 'gray16be'],
      ['pam', '-pix_fmt', 'rgba'],
      ['tga'],
    ]) {
      const path = at(`colours.${ending}`);
      const source = 'color=c=0x646464:s=16x8';
      ffmpeg('-f', 'lavfi', '-i', source, '-frames:v', '1', ...args, '-update', '1', path);
      assert.equal(await sniff(path), 'still');
      const image = await readImage(path);
      const found = [image.width, image.height, image.numFrames, image.kind, image.notes.length];
      assert.deepEqual(found, [16, 8, 1, 'image', 0], ending);
      expectColor([...image.data.subarray(0, 3)], [100, 100, 100], 1);
    }
  });

  test('opacity and 16 bits are kept', async () => {
    const pam = 'P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n';
    const pixels = Buffer.from([9, 8, 7, 0, 200, 100, 50, 255]);
    const { alpha, data } = await readImage(
      fileOf(Buffer.concat([Buffer.from(pam), pixels]), 'pam'),
    );
    assert.deepEqual([...alpha!], [0, 255]);
    assert.deepEqual([...data.subarray(3)], [200, 100, 50]);
    const deep = Buffer.from([0, 0, 0, 1, 0, 4, 0, 2]);
    const map = await readDepth(
      fileOf(Buffer.concat([Buffer.from('P5 4 1 65535\n'), deep]), 'pgm'),
    );
    assert.deepEqual([...map.data], [0, 2.5, 10, 5]);
  });

  test('text that is a picture is read: P2', async () => {
    assert.deepEqual(
      await grays(fileOf('P2\n# grays\n3 1\n255\n0 100 255\n', 'pgm')),
      [0, 100, 255],
    );
  });

  test('one that is cut off is refused', async () => {
    await rejects(fileOf('P5 40 40 255\nxxxx', 'pgm'), /cannot be decoded as a picture/);
  });
});

describe('kinds that are not read', () => {
  const box = (size: number, text: string) =>
    Buffer.concat([Buffer.from([0, 0, 0, size]), Buffer.from(text, 'latin1')]);
  const kinds: [string, Buffer | string, RegExp][] = [
    [
      'a.heic',
      box(24, 'ftypheic\0\0\0\0mif1heic'),
      /HEIC \(what iPhones save\).*convert it to JPEG/,
    ],
    ['b.heic', box(24, 'ftypmif1\0\0\0\0mif1heic'), /HEIC/],
    ['c.hif', box(24, 'ftypmsf1\0\0\0\0hevcmsf1'), /HEIC/],
    ['a.cr3', box(16, 'ftypcrx \0\0\0\x01'), /camera's raw file/],
    ['a.jxl', box(12, 'JXL \r\n\x87\n'), /JPEG XL/],
    ['a.jp2', box(12, 'jP  \r\n\x87\n'), /JPEG 2000/],
    ['a.psd', '8BPS\0\x01', /PSD \(Photoshop\).*export it as PNG/],
    ['a.exr', Buffer.from([0x76, 0x2f, 0x31, 0x01, 2, 0, 0, 0]), /OpenEXR .*32-bit floats/],
    ['a.hdr', '#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n', /Radiance HDR \(floats\)/],
    ['a.pfm', 'Pf\n2 1\n-1.0\n12345678', /PFM \(32-bit floats\)/],
    ['a.pdf', '%PDF-1.7\n', /is PDF/],
    [
      'a.ico',
      Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 0, 16, 16, 0, 0]), Buffer.alloc(20)]),
      /ICO/,
    ],
    ['a.svg', '<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x"><image href="b.png"/>', /SVG/],
    ['a.raf', 'FUJIFILMCCD-RAW 0201', /camera's raw file.*develop it/],
    ['a.zip', 'PK\x03\x04\x14\0', /a ZIP archive.*unpack it/],
    ['a.npy', Buffer.from('\x93NUMPY\x01\0', 'latin1'), /NumPy array/],
  ];
  for (const [name, bytes, pattern] of kinds) {
    test(`${name} is named`, async () => {
      writeFileSync(at(name), bytes);
      await rejects(at(name), pattern);
      await rejects(at(name), /which is not read; /, readMedia);
    });
  }

  test('in a folder of frames they are passed over with a note, and named if there is no other', async () => {
    mkdirSync(at('frames'));
    writeFileSync(at('frames/b.heic'), kinds[0]![1]);
    await assert.rejects(readMedia(at('frames')), /frames\/b\.heic: is HEIC/);
    await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
      .png()
      .toFile(at('frames/a.png'));
    writeFileSync(at('frames/notes.txt'), 'frames of a test');
    const { numFrames, notes } = await readMedia(at('frames'));
    assert.equal(numFrames, 1);
    assert.deepEqual(notes, [
      `${at('frames')}: b.heic is HEIC (what iPhones save), which is not read; it is passed over`,
    ]);
  });
});

/** A chunk of a PNG. */
function chunk(type: string, body: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  crc.writeUInt32BE(crcOf(bytes));
  return Buffer.concat([length, bytes, crc]);
}

function crcOf(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

test('pictures of high dynamic range are refused, others with the same box are read', async () => {
  const red = sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } });
  const png = await red.clone().png().toBuffer();
  const coded = (transfer: number) =>
    Buffer.concat([
      png.subarray(0, 33), // signature and IHDR
      chunk('cICP', Buffer.from([9, transfer, 0, 1])),
      png.subarray(33),
    ]);
  await rejects(fileOf(coded(16), 'png'), /high dynamic range \(PQ\).*convert it to sRGB/);
  await rejects(fileOf(coded(18), 'png'), /high dynamic range \(HLG\)/);
  expectColor([...(await readImage(fileOf(coded(13), 'png'))).data.subarray(0, 3)], [255, 0, 0], 0);
  const avif = Buffer.concat([
    Buffer.from('\0\0\0\x18ftypavif\0\0\0\0avifmif1', 'latin1'),
    Buffer.from('\0\0\0\x13colrnclx\0\x09\0\x10\0\x09\x80', 'latin1'),
  ]);
  await rejects(fileOf(avif, 'avif'), /high dynamic range \(PQ\)/);
});

describe('pictures that are too large', () => {
  test('say how many pixels they have and how many they may', async () => {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(30_000, 0);
    header.writeUInt32BE(30_000, 4);
    header[8] = 1; // a bit for each pixel
    const png = Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(Buffer.alloc(100))),
      chunk('IEND', Buffer.alloc(0)),
    ]);
    await rejects(
      fileOf(png, 'png'),
      /has 900 million pixels \(30000x30000\), 268 million is the limit; reduce it$/,
    );
  });

  test('the same for a bitmap', { skip: noFfmpeg }, async () => {
    const bmp = Buffer.alloc(200);
    bmp.write('BM', 'latin1');
    bmp.writeUInt32LE(200, 2);
    bmp.writeUInt32LE(54, 10);
    bmp.writeUInt32LE(40, 14);
    bmp.writeInt32LE(30_000, 18);
    bmp.writeInt32LE(30_000, 22);
    bmp.writeUInt16LE(1, 26);
    bmp.writeUInt16LE(24, 28);
    await rejects(fileOf(bmp, 'bmp'), /has 900 million pixels/);
  });

  test('the frames of an animation count together', async () => {
    // two frames of 20000x10000, whose pixels are cut off
    const frame = [0x2c, 0, 0, 0, 0, 0x20, 0x4e, 0x10, 0x27, 0, 2, 2, 0x44, 1, 0];
    const gif = Buffer.from([
      ...Buffer.from('GIF89a', 'latin1'),
      ...[0x20, 0x4e, 0x10, 0x27, 0x80, 0, 0, 0, 0, 0, 255, 255, 255],
      ...frame,
      ...frame,
      0x3b,
    ]);
    await rejects(
      fileOf(gif, 'gif'),
      /has 400 million pixels in 2 frames of 20000x10000, 268 million is the limit/,
      readMedia,
    );
  });
});
