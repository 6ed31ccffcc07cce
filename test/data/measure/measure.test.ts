import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { DuplicateFinder, distance } from '../../../src/data/measure/duplicates.js';
import {
  chromaOf,
  contentOf,
  differenceHash,
  type Hash64,
  lumaOf,
  sharpnessOf,
} from '../../../src/data/measure/measure.js';
import { fromRoot } from '../../../src/files/package-root.js';
import type { Picture } from '../../../src/media/codecs/video.js';

const gecko = fromRoot('examples/media/gecko.jpg');

async function picture(image: Sharp): Promise<Picture> {
  const { data, info } = await image.removeAlpha().toColourspace('srgb').raw().toBuffer({
    resolveWithObject: true,
  });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

describe('sharpnessOf', () => {
  test('is the variance of the Laplacian', () => {
    const data = new Uint8Array(25);
    data[12] = 10; // one bright pixel: the middle gives -40, its four neighbours 10, the corners 0
    const expected = (40 ** 2 + 4 * 10 ** 2) / 9;
    assert.equal(sharpnessOf({ width: 5, height: 5, data }), expected);
    assert.equal(sharpnessOf({ width: 2, height: 5, data: data.subarray(0, 10) }), null);
  });

  test('falls with blur', async () => {
    const [sharpOne, blurred] = await Promise.all([
      picture(sharp(gecko)),
      picture(sharp(gecko).blur(3)),
    ]);
    assert.ok(sharpnessOf(lumaOf(sharpOne))! > 300);
    assert.ok(sharpnessOf(lumaOf(blurred))! < 20);
  });
});

test('chromaOf tells gray from colour', async () => {
  const gray = await sharp(gecko).grayscale().png().toBuffer();
  assert.equal(chromaOf(await picture(sharp(gray))), 0);
  assert.ok(chromaOf(await picture(sharp(gecko))) > 5);
});

describe('contentOf', () => {
  test('gives the part inside of black borders', async () => {
    const light = sharp(await sharp(gecko).linear(0.7, 70).png().toBuffer());
    const luma = lumaOf(await picture(light.extend({ top: 20, bottom: 12, left: 0, right: 7 })));
    const box = contentOf([luma], null);
    assert.deepEqual(box, { left: 0, top: 20, width: 192, height: 192 });
  });

  test('takes dark ground without a straight edge for a part of the picture', () => {
    const [width, height] = [64, 48];
    const data = new Uint8Array(width * height).fill(120);
    // black from row 40 on, above that a black slope: row 39 has 4 pixels of light
    for (let y = 20; y < height; y++) data.fill(0, y * width, y * width + Math.min(64, 3 * y - 57));
    const box = contentOf([{ width, height, data }], null);
    assert.deepEqual(box, { left: 0, top: 0, width, height });
  });

  test('gives null where all is black', () => {
    const data = new Uint8Array(64 * 48).fill(3);
    assert.equal(contentOf([{ width: 64, height: 48, data }], null), null);
  });
});

describe('DuplicateFinder', () => {
  const print = (contentHash: string, ...hashes: Hash64[]) => ({ contentHash, hashes });

  test('finds scaled and compressed copies, not other pictures', async () => {
    const own = differenceHash(lumaOf(await picture(sharp(gecko))))!;
    const copy = sharp(await sharp(gecko).resize(100).jpeg({ quality: 50 }).toBuffer());
    const copied = differenceHash(lumaOf(await picture(copy)))!;
    const mirrored = differenceHash(lumaOf(await picture(sharp(gecko).flop())))!;
    assert.ok(distance(own, copied) <= 3);
    assert.ok(distance(own, mirrored) > 10);
    const finder = new DuplicateFinder();
    assert.equal(finder.check('a', print('1', own)), null);
    assert.equal(finder.check('b', print('2', mirrored)), null);
    assert.deepEqual(finder.check('c', print('3', copied)), { of: 'a', kind: 'near' });
    assert.deepEqual(finder.check('d', print('1', own)), { of: 'a', kind: 'exact' });
  });

  test('wants all frames of a clip to be near, and names the earliest', () => {
    const finder = new DuplicateFinder();
    const same: Hash64 = [0xdeadbeef, 0x12345678];
    finder.check('a', print('1', same, same, same));
    assert.equal(finder.check('b', print('2', same, same, [1, 2])), null);
    const near: Hash64 = [same[0] ^ 0x10001, same[1] ^ 1].map((half) => half >>> 0) as Hash64;
    assert.deepEqual(finder.check('c', print('3', near, same, same)), { of: 'a', kind: 'near' });
    assert.equal(finder.check('d', print('4', same)), null);
  });

  test('compares nothing where there is no hash', () => {
    const flat = { width: 32, height: 32, data: new Uint8Array(1024).fill(200) };
    assert.equal(differenceHash(flat), null);
    const finder = new DuplicateFinder();
    finder.check('a', print('1'));
    assert.equal(finder.check('b', print('2')), null);
  });

  test('finds what comparing all pairs finds', () => {
    const finder = new DuplicateFinder();
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state;
    };
    const kept: Hash64[] = [];
    for (let i = 0; i < 2000; i++) {
      const from = kept[random() % (kept.length || 1)];
      const flip = () => 1 << (random() >>> 27);
      const hash: Hash64 =
        from && i % 3 === 0
          ? [(from[0] ^ flip() ^ flip()) >>> 0, (from[1] ^ flip() ^ (i % 2 ? flip() : 0)) >>> 0]
          : [random(), random()];
      const expected = kept.findIndex((other) => distance(hash, other) <= 3);
      const found = finder.check(`${kept.length}`, print(`${i}`, hash));
      assert.equal(found?.of ?? '-1', `${expected}`);
      if (expected < 0) kept.push(hash);
    }
  });
});
