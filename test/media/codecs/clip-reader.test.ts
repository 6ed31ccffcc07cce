import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { openClip } from '../../../src/media/codecs/clip-reader.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import { writeImage, writeVideo } from '../../../src/media/codecs/write.js';
import { temporaryFolder } from '../../temp-folder.js';
import { ffmpeg, flatFrames, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const grays = (count: number, width = 16, height = 12) =>
  flatFrames(
    width,
    height,
    Array.from({ length: count }, (_, i) => [i * 20, i * 10, 200]),
  );

/** All frames of a clip, read `count` at a time, and how many came each time. */
async function readBy(path: string, count: number, options = {}) {
  const clip = await openClip(path, options);
  const parts: Uint8Array[] = [];
  const counts: number[] = [];
  for (let part = await clip.read(count); part !== null; part = await clip.read(count)) {
    counts.push(part.numFrames);
    parts.push(part.data);
  }
  assert.equal(await clip.read(count), null);
  await clip.close();
  return { clip, counts, data: new Uint8Array(Buffer.concat(parts)) };
}

describe('a clip whose frame rate varies', { skip: noFfmpeg }, () => {
  const drawn = (size: string, rate: string, ...more: string[]) =>
    ffmpeg('-f', 'lavfi', '-i', `testsrc2=size=64x48:rate=${rate}:d=${size}`, ...more);
  const read = async (path: string, options = {}) => {
    const clip = await openClip(path, options);
    await clip.close();
    return clip;
  };

  test('is read at its mean rate, which is noted', async () => {
    // 30 frames a second, then 5; ffmpeg would fill the gaps of an mp4 that it encodes
    drawn('4', '30', '-vf', "select='lt(t,2)+not(mod(n,6))'", at('varies.mkv'));
    ffmpeg('-i', at('varies.mkv'), '-c', 'copy', at('varies.mp4'));
    const note = `${at('varies.mp4')}: its frame rate varies; all frames are shown equally long`;
    for (const clip of [await read(at('varies.mp4')), await readMedia(at('varies.mp4'))]) {
      assert.deepEqual([clip.variableRate, clip.notes], [true, [note]]);
    }
    const { variableRate, notes } = await read(at('varies.mp4'), { fps: 30 });
    assert.deepEqual([variableRate, notes], [false, []]);
  });

  test('is not confused with one of a constant rate', async () => {
    drawn('2', '24', at('24.mp4'));
    drawn('2', '30000/1001', at('ntsc.mkv'));
    drawn('2', '24', '-c:v', 'libvpx', '-deadline', 'realtime', at('24.webm'));
    drawn('2', '25', '-flags', '+ilme+ildct', at('fields.ts'));
    // one frame is lost
    drawn('2', '30', '-vf', "select='not(eq(n,20))'", at('lost.mkv'));
    ffmpeg('-i', at('lost.mkv'), '-c', 'copy', at('lost.mp4'));
    for (const name of ['24.mp4', 'ntsc.mkv', '24.webm', 'fields.ts', 'lost.mp4']) {
      assert.equal((await read(at(name))).variableRate, false, name);
    }
  });
});

describe('openClip', () => {
  before(async () => {
    mkdirSync(at('frames'));
    for (let i = 0; i < 5; i++) {
      await writeImage(at(`frames/${i}.png`), flatFrames(16, 12, [[i * 20, 0, 0]]));
    }
    await writeVideo(at('clip.gif'), grays(7), { fps: 10 });
    await writeImage(at('still.png'), grays(1));
    if (noFfmpeg) return;
    ffmpeg('-f', 'lavfi', '-i', 'testsrc=s=64x48:r=24:d=2', '-c:v', 'mpeg4', at('clip.mp4'));
  });

  test('gives the frames of a folder, an animation and a picture', async () => {
    for (const [name, numFrames, counts, fps] of [
      ['frames', 5, [2, 2, 1], 24],
      ['clip.gif', 7, [2, 2, 2, 1], 10],
      ['still.png', 1, [1], null],
    ] as const) {
      const got = await readBy(at(name), 2);
      assert.deepEqual([got.clip.numFrames, got.counts, got.clip.fps], [numFrames, counts, fps]);
      assert.deepEqual(got.data, (await readMedia(at(name))).data);
    }
  });

  test('gives the frames of a video file', { skip: noFfmpeg }, async () => {
    const { clip, counts, data } = await readBy(at('clip.mp4'), 20);
    const { width, height, fps, numFrames, kind, notes } = clip;
    assert.deepEqual(
      { width, height, fps, numFrames, kind, notes },
      { width: 64, height: 48, fps: 24, numFrames: 48, kind: 'video', notes: [] },
    );
    assert.deepEqual(counts, [20, 20, 8]);
    assert.deepEqual(data, (await readMedia(at('clip.mp4'))).data);
  });

  test('resamples, skips and stops as readMedia does', { skip: noFfmpeg }, async () => {
    const options = { fps: 12, start: 0.5, maxFrames: 10 };
    const { clip, counts, data } = await readBy(at('clip.mp4'), 4, options);
    assert.deepEqual([clip.fps, clip.numFrames, counts], [12, 10, [4, 4, 2]]);
    assert.deepEqual(data, (await readMedia(at('clip.mp4'), options)).data);
    const some = await readBy(at('frames'), 3, { fps: 5, start: 0.4, maxFrames: 2 });
    assert.deepEqual([some.clip.fps, some.clip.numFrames, some.counts], [5, 2, [2]]);
  });

  test('can be left at any time', { skip: noFfmpeg }, async () => {
    const clip = await openClip(at('clip.mp4'));
    await clip.close();
    assert.equal(await clip.read(1), null);
    const other = await openClip(at('clip.mp4'));
    assert.equal((await other.read(3))!.numFrames, 3);
    await other.close();
    assert.equal(await other.read(1), null);
    await other.close();
  });

  test('ends ffmpeg when it is aborted', { skip: noFfmpeg }, async () => {
    ffmpeg('-f', 'lavfi', '-i', 'testsrc=s=640x480:d=4', '-c:v', 'mpeg4', at('long.mp4'));
    const controller = new AbortController();
    const clip = await openClip(at('long.mp4'), { signal: controller.signal });
    await clip.read(2);
    controller.abort();
    await assert.rejects(clip.read(1000), { name: 'AbortError' });
  });

  test('tells of damage when it comes to it', { skip: noFfmpeg }, async () => {
    ffmpeg('-i', at('clip.mp4'), '-c', 'copy', '-movflags', '+faststart', at('fast.mp4'));
    const bytes = readFileSync(at('fast.mp4'));
    writeFileSync(at('cut.mp4'), bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    const { clip, counts } = await readBy(at('cut.mp4'), 100);
    assert.ok(counts[0]! < 48);
    assert.match(clip.notes[0]!, /cut\.mp4: damaged, \d+ of about 48 frames decoded/);
  });

  test('refuses what readMedia refuses', async () => {
    const rejects = (path: string, pattern: RegExp, options = {}) =>
      assert.rejects(
        openClip(path, options),
        (error: Error) => error instanceof InputError && pattern.test(error.message),
      );
    writeFileSync(at('text.mp4'), 'This is a text.\n');
    await rejects(at('text.mp4'), /holds text/);
    await rejects(at('missing.mp4'), /no such file/);
    await rejects(at('frames'), /start must be within the 5 pictures/, { start: 9 });
    await rejects(at('frames'), /maxFrames must be a whole number above 0/, { maxFrames: 0 });
    await writeImage(at('frames/9.png'), flatFrames(10, 12, [[0, 0, 0]]));
    const clip = await openClip(at('frames'));
    assert.equal((await clip.read(5))!.numFrames, 5);
    await assert.rejects(
      clip.read(1),
      /9\.png: all frames of a clip must have one size \(16x12 as 0/,
    );
    assert.equal(await clip.read(1), null);
  });
});
