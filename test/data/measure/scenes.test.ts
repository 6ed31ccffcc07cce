import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { lumaOf } from '../../../src/data/measure/measure.js';
import { SceneDetector } from '../../../src/data/measure/scenes.js';
import { fromRoot } from '../../../src/files/package-root.js';
import type { Picture } from '../../../src/media/codecs/video.js';
import { readVideo } from '../../../src/media/codecs/video.js';
import { sliceFrames } from '../../../src/media/frames.js';
import { noFfmpeg } from '../../media/helpers.js';

const examples = fromRoot('examples/media');
/** A folder of more real clips to join, each one scene; without it the examples must do. */
const more = process.env.MFM_TEST_CLIPS ?? '';

async function framesOf(path: string, every = 1): Promise<Picture[]> {
  const clip = await readVideo(path, { maxSide: 160 });
  const all = Array.from({ length: clip.numFrames }, (_, i) => sliceFrames(clip, i, i + 1));
  return all.filter((_, i) => i % every === 0);
}

function cutsOf(pictures: readonly Picture[]): number[] {
  const scenes = new SceneDetector();
  for (const picture of pictures) scenes.push(picture, lumaOf(picture));
  return scenes.cuts();
}

const flat = (level: number): Picture => ({
  width: 32,
  height: 24,
  data: new Uint8Array(32 * 24 * 3).fill(level),
});

describe('SceneDetector', { skip: noFfmpeg }, () => {
  test('finds the joints of clips and no cut inside of them', async () => {
    const flower = await framesOf(join(examples, 'flower.mp4'));
    const rabbit = await framesOf(join(examples, 'rabbit.mp4'));
    const joined = [...flower, ...rabbit, ...flower];
    assert.deepEqual(cutsOf(joined), [flower.length, flower.length + rabbit.length]);
    assert.deepEqual(cutsOf(rabbit), []);
  });

  test('takes a flash for no cut, and a change that stays for one', () => {
    const dark = Array.from({ length: 10 }, () => flat(30));
    const light = Array.from({ length: 10 }, () => flat(220));
    assert.deepEqual(cutsOf([...dark, flat(250), flat(250), ...dark]), []);
    assert.deepEqual(cutsOf([...dark, ...light, ...dark]), [10, 20]);
    assert.deepEqual(cutsOf([flat(0)]), []);
  });

  test('takes strobing for no cut', () => {
    const frames = Array.from({ length: 30 }, (_, i) => flat((i * 97) % 256));
    assert.deepEqual(cutsOf(frames), []);
  });

  test('is right about a folder of clips, at their rate and a third of it', {
    skip: existsSync(more) ? false : 'needs MFM_TEST_CLIPS, a folder of clips of one scene each',
  }, async () => {
    for (const every of [1, 3]) {
      const joined: Picture[] = [];
      const joints: number[] = [];
      for (const name of readdirSync(more).sort()) {
        if (joined.length > 0) joints.push(joined.length);
        joined.push(...(await framesOf(join(more, name), every)));
      }
      assert.deepEqual(cutsOf(joined), joints);
    }
  });
});
