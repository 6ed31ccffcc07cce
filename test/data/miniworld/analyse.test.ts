import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findSolids, trackSolids } from '../../../src/data/miniworld/analyse.js';
import { miniWorld, type Split } from '../../../src/data/miniworld/index.js';
import { blur } from '../../../src/data/miniworld/shape-classifier.js';
import { InputError } from '../../../src/errors.js';

const image = { width: 64, height: 64, numFrames: 1 };

/** Shares of single solids whose colour and shape are named right. */
function accuracy({ sigma = 0, split = 'train' as Split, size = 64, count = 200 }) {
  let [colours, shapes] = [0, 0];
  for (let seed = 0; seed < count; seed++) {
    const options = { width: size, height: size, numFrames: 1, split, maxObjects: 1 };
    const { frames, scene } = miniWorld(seed, options);
    const [solid] = findSolids(sigma ? blur(frames, size, size, sigma) : frames, options);
    colours += solid?.colour === scene.objects[0].colour ? 1 / count : 0;
    shapes += solid?.shape === scene.objects[0].shape ? 1 / count : 0;
  }
  return { colours, shapes };
}

// measured: all colours and shapes of 800 renders right, clean and with sigma 0.8 and 1.2
describe('findSolids', () => {
  for (const options of [
    {},
    { sigma: 0.8 },
    { sigma: 0.8, split: 'heldout' as const },
    { size: 128, count: 60 },
  ]) {
    test(`names colours and shapes of true renders, ${JSON.stringify(options)}`, () => {
      const { colours, shapes } = accuracy(options);
      assert.ok(colours >= 0.97, `colours ${colours}`);
      assert.ok(shapes >= 0.95, `shapes ${shapes}`);
    });
  }

  test('reads floats from -1 to 1 as it reads bytes', () => {
    const { frames } = miniWorld(3, image);
    const floats = Float32Array.from(frames, (value) => value / 127.5 - 1);
    const names = (pixels: Uint8Array | Float32Array) =>
      findSolids(pixels, image).map(({ colour, shape, area }) => ({ colour, shape, area }));
    assert.deepEqual(names(floats), names(frames));
  });

  test('finds nothing in a gray picture and rejects another size', () => {
    assert.deepEqual(findSolids(new Uint8Array(64 * 64 * 3).fill(120), image), []);
    assert.throws(() => findSolids(new Uint8Array(12), image), InputError);
  });
});

describe('trackSolids', () => {
  test('names motions of single solids before a still camera', () => {
    const clip = { width: 64, height: 64, numFrames: 17 };
    let [seen, right] = [0, 0];
    for (let seed = 0; seed < 80; seed++) {
      const { frames, scene } = miniWorld(seed, { ...clip, maxObjects: 1 });
      const [solid] = scene.objects;
      if (scene.camera.motion === 'still') {
        seen++;
        const motion = solid.motion === 'spin' ? 'still' : solid.motion;
        right += trackSolids(frames, clip)[0].motion === motion ? 1 : 0;
      }
    }
    assert.ok(right >= 0.95 * seen, `${right} of ${seen}`);
  });
});
