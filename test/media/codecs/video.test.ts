import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { readVideo } from '../../../src/media/codecs/video.js';
import { writeVideo } from '../../../src/media/codecs/write.js';
import { temporaryFolder } from '../../temp-folder.js';
import { colorAt, expectColor, ffmpeg, flatFrames, listing, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** A moving test picture in H.264 or MPEG-4, whichever this ffmpeg has; index at the end. */
const NOISE = ['-f', 'lavfi', '-i', 'testsrc=s=64x48:r=24:d=2,noise=alls=40:allf=t'];
const rejects = (path: string, pattern: RegExp, options = {}) =>
  assert.rejects(readVideo(path, options), (error: Error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, pattern);
    assert.ok(error.message.startsWith(`${path}: `));
    assert.ok(!error.message.includes('\n'));
    return true;
  });

describe('readVideo', { skip: noFfmpeg }, () => {
  before(() => {
    ffmpeg(...NOISE, '-c:v', 'mpeg4', '-q:v', '2', at('late-index.mp4'));
    ffmpeg('-i', at('late-index.mp4'), '-c', 'copy', '-movflags', '+faststart', at('clip.mp4'));
  });

  test('gives every frame once, with size and rate', async () => {
    const clip = await readVideo(at('clip.mp4'));
    const { width, height, numFrames, fps, kind, notes } = clip;
    assert.deepEqual(
      { width, height, numFrames, fps, kind, notes },
      { width: 64, height: 48, numFrames: 48, fps: 24, kind: 'video', notes: [] },
    );
    assert.equal(clip.data.length, 64 * 48 * 48 * 3);
  });

  test('stops after maxFrames, skips to start, resamples to fps', async () => {
    const all = await readVideo(at('clip.mp4'));
    const some = await readVideo(at('clip.mp4'), { maxFrames: 5 });
    assert.deepEqual(some.data, all.data.subarray(0, some.data.length));
    const late = await readVideo(at('clip.mp4'), { start: 1, maxFrames: 3 });
    assert.deepEqual(late.data, all.data.subarray(24 * 9216, 27 * 9216));
    const slow = await readVideo(at('clip.mp4'), { fps: 12 });
    assert.equal(slow.numFrames, 24);
    assert.equal(slow.fps, 12);
  });

  test('names a start past the end, a bad count and a clip too large for memory', async () => {
    await rejects(at('clip.mp4'), /start must be within the clip \(2 s\), got 9 s/, { start: 9 });
    await rejects(at('clip.mp4'), /maxFrames must be a whole number above 0/, { maxFrames: 0 });
    await rejects(at('clip.mp4'), /takes more than 0 MB .* read fewer frames/, { maxBytes: 99999 });
  });

  test('keeps frames of uneven timing as they are', async () => {
    const uneven = 'settb=1/1000,setpts=if(lt(N\\,6)\\,N*40\\,N*N*40)';
    ffmpeg(...NOISE, '-vf', uneven, '-frames:v', '12', '-c:v', 'ffv1', at('vfr.mkv'));
    assert.equal((await readVideo(at('vfr.mkv'))).numFrames, 12);
  });

  test('turns clips upright by their rotation', async () => {
    // left half red, right half blue, stored; a quarter turn clockwise puts red on top
    const halves = 'color=red:s=32x48,pad=64:48:0:0:blue';
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      halves,
      '-frames:v',
      '3',
      '-c:v',
      'mpeg4',
      '-q:v',
      '1',
      at('flat.mp4'),
    );
    const bytes = readFileSync(at('flat.mp4'));
    const matrix = bytes.indexOf('tkhd') + 4 + 40; // version 0: the matrix is 40 bytes in
    [0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000].forEach((value, i) => {
      bytes.writeInt32BE(value, matrix + i * 4);
    });
    writeFileSync(at('turned.mp4'), bytes);
    const { width, height, ...rest } = await readVideo(at('turned.mp4'));
    assert.deepEqual([width, height], [48, 64]);
    expectColor(colorAt({ width, height, ...rest }, 0, 24, 10), [254, 0, 0], 6);
    expectColor(colorAt({ width, height, ...rest }, 0, 24, 54), [0, 0, 254], 6);
  });

  test('makes pixels square by enlarging the shorter side', async () => {
    ffmpeg(...NOISE, '-vf', 'setsar=2', '-frames:v', '2', '-c:v', 'mpeg4', at('wide.mp4'));
    ffmpeg(...NOISE, '-vf', 'setsar=1/2', '-frames:v', '2', '-c:v', 'mpeg4', at('tall.mp4'));
    const wide = await readVideo(at('wide.mp4'));
    assert.deepEqual([wide.width, wide.height], [128, 48]);
    const tall = await readVideo(at('tall.mp4'));
    assert.deepEqual([tall.width, tall.height], [64, 96]);
  });

  test('reduces the longer side to maxSide, never enlarges', async () => {
    const sizeOf = async (maxSide: number) => {
      const { width, height } = await readVideo(at('wide.mp4'), { maxSide });
      return [width, height];
    };
    assert.deepEqual(await sizeOf(64), [64, 24]);
    assert.deepEqual(await sizeOf(500), [128, 48]);
    await rejects(at('clip.mp4'), /maxSide must be a whole number above 0/, { maxSide: 0 });
  });

  // [name, filter that makes the stored colours, output options, size]
  const ORANGE = [220, 120, 40];
  const colors: [string, string, string[], string][] = [
    [
      'tagged BT.709',
      'out_color_matrix=bt709:out_range=tv,format=yuv444p',
      ['-colorspace', 'bt709'],
      '64x64',
    ],
    [
      'tagged BT.601',
      'out_color_matrix=bt601:out_range=tv,format=yuv444p',
      ['-colorspace', 'smpte170m'],
      '64x64',
    ],
    [
      'untagged and small, so BT.601',
      'out_color_matrix=bt601:out_range=tv,format=yuv444p',
      [],
      '64x64',
    ],
    [
      'untagged and 720 lines, so BT.709',
      'out_color_matrix=bt709:out_range=tv,format=yuv444p',
      [],
      '128x720',
    ],
    [
      'full range',
      'out_color_matrix=bt601:out_range=pc,format=yuvj420p',
      ['-c:v', 'mjpeg', '-q:v', '1'],
      '64x64',
    ],
    [
      '10 bits',
      'out_color_matrix=bt709:out_range=tv,format=yuv420p10le',
      ['-colorspace', 'bt709'],
      '64x64',
    ],
  ];
  for (const [name, filter, options, size] of colors) {
    test(`shows the right colours: ${name}`, async () => {
      const path = at(`colors-${name.replaceAll(/\W+/g, '-')}.mkv`);
      const source = `color=0xdc7828:s=${size},format=rgb24,scale=flags=accurate_rnd:${filter}`;
      ffmpeg('-f', 'lavfi', '-i', source, '-frames:v', '1', '-c:v', 'ffv1', ...options, path);
      expectColor(colorAt(await readVideo(path)), ORANGE, 2);
    });
  }

  test('gives what decodes of a clip cut off or damaged, and a note', async () => {
    const bytes = readFileSync(at('clip.mp4'));
    writeFileSync(at('cut.mp4'), bytes.subarray(0, Math.floor(bytes.length * 0.55)));
    const cut = await readVideo(at('cut.mp4'));
    assert.ok(cut.numFrames > 15 && cut.numFrames < 35, `${cut.numFrames} frames`);
    assert.match(cut.notes[0]!, /cut\.mp4: damaged, \d+ of about 48 frames decoded/);

    bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 8000);
    writeFileSync(at('corrupt.mp4'), bytes);
    const corrupt = await readVideo(at('corrupt.mp4'));
    assert.ok(corrupt.numFrames > 30, `${corrupt.numFrames} frames`);
    assert.match(corrupt.notes[0]!, /corrupt\.mp4: damaged, \d+ of about 48 frames decoded/);
  });

  test('says in one sentence why a file is no video', async () => {
    const late = readFileSync(at('late-index.mp4'));
    writeFileSync(at('no-moov.mp4'), late.subarray(0, late.length / 2));
    await rejects(at('no-moov.mp4'), /has no index \(moov box\).*download it again/);
    writeFileSync(at('text.mp4'), 'This is a text.\n');
    await rejects(at('text.mp4'), /holds text, not a picture or a video/);
    writeFileSync(at('empty.mp4'), '');
    await rejects(at('empty.mp4'), /the file is empty \(0 bytes\)/);
    writeFileSync(at('bytes.mp4'), Buffer.alloc(5000, '\x01\x80\x00'));
    await rejects(at('bytes.mp4'), /cannot be decoded as a video/);
    ffmpeg('-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', at('sound.mp4'));
    await rejects(at('sound.mp4'), /holds only sound/);
    await rejects(at('missing.mp4'), /no such file/);
    await rejects(folder, /must be a video, got a folder/);
  });

  test('reads names that ffmpeg could take for something else', async () => {
    const name = at('a:b %03d -i.mp4');
    writeFileSync(name, readFileSync(at('clip.mp4')));
    assert.equal((await readVideo(name, { maxFrames: 1 })).numFrames, 1);
  });

  test('ends ffmpeg when it is aborted', async () => {
    const controller = new AbortController();
    const reading = readVideo(at('clip.mp4'), { signal: controller.signal });
    setImmediate(() => controller.abort());
    await assert.rejects(reading, { name: 'AbortError' });
  });
});

describe('writeVideo', { skip: noFfmpeg }, () => {
  const colors = [
    [200, 50, 30],
    [16, 240, 90],
    [10, 20, 250],
    [255, 255, 255],
    [0, 0, 0],
  ];
  for (const [name, width, height] of [
    ['out.mp4', 64, 48],
    ['odd.mp4', 35, 27],
    ['odd.webm', 35, 27],
    ['odd.gif', 35, 27],
  ] as const) {
    test(`${name} keeps size ${width}x${height}, frames, rate and colours`, async () => {
      const path = at(`new/folder/${name}`);
      await writeVideo(path, flatFrames(width, height, colors), { fps: 25, crf: 4 });
      const back = await readVideo(path);
      assert.deepEqual([back.width, back.height, back.numFrames, back.fps], [width, height, 5, 25]);
      colors.forEach((color, frame) => {
        expectColor(colorAt(back, frame), color, 6);
      });
      assert.deepEqual(
        listing(at('new/folder')).filter((entry) => entry.startsWith('.')),
        [],
      );
    });
  }

  test('leaves nothing behind, and the old file alone, when it is aborted', async () => {
    const path = at('keep/old.mp4');
    const frames = flatFrames(256, 256, new Array(60).fill([1, 2, 3]));
    await writeVideo(path, flatFrames(16, 16, [[0, 0, 0]]), { fps: 8 });
    const old = readFileSync(path);
    const controller = new AbortController();
    const writing = writeVideo(path, frames, { fps: 24, signal: controller.signal });
    setImmediate(() => controller.abort());
    await assert.rejects(writing, { name: 'AbortError' });
    assert.deepEqual(listing(at('keep')), ['old.mp4']);
    assert.deepEqual(readFileSync(path), old);
  });

  test('names a wrong ending, a wrong rate and an unwritable place', async () => {
    const one = flatFrames(16, 16, [[0, 0, 0]]);
    await assert.rejects(writeVideo(at('x.avi'), one, { fps: 8 }), /x\.avi: must end in \.png/);
    await assert.rejects(writeVideo(at('x.png'), one, { fps: 8 }), /holds one picture/);
    await assert.rejects(writeVideo(at('x.mp4'), one, { fps: 0 }), /fps must be above 0/);
    await assert.rejects(
      writeVideo(at('clip.mp4/x.mp4'), one, { fps: 8 }),
      (error: Error) =>
        error instanceof InputError && /part of its path is a file/.test(error.message),
    );
  });
});
