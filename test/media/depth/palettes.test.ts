import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readImage } from '../../../src/media/codecs/image.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import { writeImage, writeVideo } from '../../../src/media/codecs/write.js';
import { PALETTES, paletteOf } from '../../../src/media/depth/palettes.js';
import { temporaryFolder } from '../../temp-folder.js';
import { noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const [width, height] = [64, 48];

/** A hill before a slope, from 0 to 1. */
const depthAt = (x: number, y: number): number =>
  Math.min(1, (y / height) * 0.8 + 0.5 * Math.exp(-((x - 30) ** 2 + (y - 20) ** 2) / 90));

function coloured(name: string) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const colour = PALETTES[name]!(depthAt(i % width, Math.floor(i / width)));
    for (let c = 0; c < 3; c++) data[i * 3 + c] = Math.round(colour[c]!);
  }
  return { width, height, numFrames: 1, data };
}

describe('palettes', () => {
  test('are those that are published', () => {
    // matplotlib 3.8, 8 bits; turbo as its polynomials give it
    const published: [string, number, number[]][] = [
      ['viridis', 0.5, [33, 145, 140]],
      ['inferno', 0.25, [87, 16, 110]],
      ['magma', 0.75, [252, 137, 97]],
      ['plasma', 0.5, [204, 71, 120]],
      ['jet', 0.5, [125, 255, 122]],
      ['Spectral', 0.25, [249, 142, 82]],
      ['turbo', 0.5, [150, 250, 80]],
    ];
    for (const [name, value, want] of published) {
      const got = PALETTES[name]!(value);
      for (let c = 0; c < 3; c++) {
        assert.ok(Math.abs(got[c]! - want[c]!) < 6, `${name} at ${value}: ${got} is not ${want}`);
      }
    }
  });

  for (const name of Object.keys(PALETTES)) {
    test(`${name} is recognised, in JPEG and H.264 too`, { skip: noFfmpeg }, async () => {
      const picture = coloured(name);
      assert.equal(paletteOf(picture.data), name);
      await writeImage(join(folder, 'a.jpg'), picture, { quality: 80 });
      assert.equal(paletteOf((await readImage(join(folder, 'a.jpg'))).data), name);
      await writeVideo(join(folder, 'a.mp4'), picture, { fps: 8 });
      assert.equal(paletteOf((await readMedia(join(folder, 'a.mp4'))).data), name);
    });
  }

  test('noise, gray and one colour are of none', () => {
    let state = 1;
    const noise = new Uint8Array(3000).map(() => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
    assert.equal(paletteOf(noise), null);
    assert.equal(
      paletteOf(new Uint8Array(3000).map((_, i) => (Math.floor(i / 3) / 4) % 256)),
      null,
    );
    assert.equal(paletteOf(new Uint8Array(3000).map((_, i) => [33, 145, 140][i % 3]!)), null);
  });
});
