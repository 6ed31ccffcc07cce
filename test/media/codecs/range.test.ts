import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { openClip } from '../../../src/media/codecs/clip-reader.js';
import { readVideo } from '../../../src/media/codecs/video.js';
import { writeVideo } from '../../../src/media/codecs/write.js';
import { probeVideo } from '../../../src/media/ffmpeg/probe.js';
import type { Frames } from '../../../src/media/frames.js';
import { temporaryFolder } from '../../temp-folder.js';
import { colorAt, expectColor, ffmpeg, flatFrames, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const COLOURS = [
  [0, 0, 0],
  [255, 255, 255],
  [200, 60, 30],
  [20, 140, 220],
];
const clip = flatFrames(64, 48, COLOURS);

/** The luma of each frame's first pixel, as stored. */
function storedLuma(path: string): number[] {
  ffmpeg('-i', path, '-vf', 'extractplanes=y', '-f', 'rawvideo', at('luma'));
  const bytes = readFileSync(at('luma'));
  return COLOURS.map((_, frame) => bytes[frame * 64 * 48]!);
}

/** In dB, of bytes. */
function psnr(a: Frames, b: Frames): number {
  assert.deepEqual([a.width, a.height, a.numFrames], [b.width, b.height, b.numFrames]);
  const squared = a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.data.length) / squared);
}

describe('the range of colours', { skip: noFfmpeg }, () => {
  before(() => {
    const sound = ['-f', 'lavfi', '-i', 'sine=d=1'];
    ffmpeg(...sound, at('sound.wav'));
    const soft = 'testsrc=s=64x48:r=25:d=1,gblur=2,scale=flags=accurate_rnd:out_range=pc';
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      `${soft},format=yuvj420p`,
      '-c:v',
      'mjpeg',
      '-q:v',
      '1',
      at('full.avi'),
    );
  });

  for (const name of ['clip.mp4', 'clip.webm']) {
    for (const [fullRange, black, white] of [
      [false, 16, 235],
      [true, 0, 255],
    ] as const) {
      const kind = fullRange ? 'full' : 'limited';
      test(`${name} is ${kind} when it is to be, says so, and looks the same`, async () => {
        const path = at(`${kind}-${name}`);
        const audio = { path: at('sound.wav'), startSeconds: 0 };
        await writeVideo(path, clip, { fps: 25, crf: 2, fullRange, audio });
        const [storedBlack, storedWhite] = storedLuma(path);
        assert.ok(Math.abs(storedBlack! - black) <= 1, `black ${storedBlack}`);
        assert.ok(Math.abs(storedWhite! - white) <= 1, `white ${storedWhite}`);
        const back = await readVideo(path);
        assert.equal(back.fullRange, fullRange);
        COLOURS.forEach((colour, frame) => {
          expectColor(colorAt(back, frame), colour, 4);
        });
      });
    }
  }

  test('of a source is told, and kept or given up without a change to the eye', async () => {
    const source = await readVideo(at('full.avi'));
    assert.equal(source.fullRange, true);
    const reader = await openClip(at('full.avi'));
    assert.deepEqual([reader.fullRange, reader.hasAudio], [true, false]);
    await reader.close();
    for (const fullRange of [true, false]) {
      await writeVideo(at('again.mp4'), source, { fps: 25, crf: 4, fullRange });
      const again = await readVideo(at('again.mp4'));
      assert.equal(again.fullRange, fullRange);
      assert.equal((await probeVideo(at('again.mp4'))).colorMatrix, 'bt709');
      assert.ok(psnr(source, again) > 38, `${psnr(source, again)} dB`);
    }
  });
});
