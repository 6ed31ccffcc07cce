import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError, JobError } from '../../src/errors.js';
import { findFfmpeg } from '../../src/media/ffmpeg.js';
import { parseProbe } from '../../src/media/probe.js';

describe('findFfmpeg', () => {
  test('says how to get ffmpeg when there is none', () => {
    assert.throws(
      () => findFfmpeg({ env: { PATH: '/nowhere' }, packaged: () => null }),
      (error: Error) =>
        error instanceof JobError && /not found.*apt install ffmpeg/.test(error.message),
    );
  });

  test('takes the npm package last, and FFMPEG_PATH first', () => {
    const packaged = () => '/package/ffmpeg';
    assert.equal(findFfmpeg({ env: { PATH: '' }, packaged }), '/package/ffmpeg');
    const env = { FFMPEG_PATH: process.execPath, PATH: process.env.PATH };
    assert.equal(findFfmpeg({ env, packaged }), process.execPath);
  });

  test('refuses a FFMPEG_PATH that is no program', () => {
    assert.throws(
      () => findFfmpeg({ env: { FFMPEG_PATH: '/nowhere/ffmpeg' } }),
      (error: Error) =>
        error instanceof InputError && /FFMPEG_PATH: .*got "\/nowhere/.test(error.message),
    );
  });
});

describe('parseProbe', () => {
  // lines as ffmpeg 4 to 7 print them
  const probe = (...streams: string[]) =>
    parseProbe(
      'x.mp4',
      ["Input #0, mov, from 'file:x.mp4':", '  Duration: 00:01:03.24, start: 0.0', ...streams].join(
        '\n',
      ),
    );

  test('reads size, rate, duration and colours', () => {
    const info = probe(
      '  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), 320x180 [SAR 1:1 DAR 16:9], 470 kb/s, 29.97 fps, 30 tbr, 30k tbn (default)',
    );
    assert.deepEqual(info, {
      width: 320,
      height: 180,
      fps: 30000 / 1001,
      durationSeconds: 63.24,
      pixelFormat: 'yuv420p',
      colorMatrix: 'bt709',
      highDynamicRange: false,
      fullRange: false,
      hasAudio: false,
    });
  });

  test('knows full range from limited, and whether there is sound', () => {
    const video = (colors: string) => `Stream #0:0: Video: h264, ${colors}, 64x48, 25 fps`;
    const range = (colors: string) => probe(video(colors)).fullRange;
    assert.equal(range('yuvj420p(pc, bt470bg/unknown/unknown)'), true);
    assert.equal(range('yuvj420p'), true);
    assert.equal(range('yuv420p(pc, bt709, progressive)'), true);
    assert.equal(range('yuv420p(progressive)'), false);
    assert.equal(range('gbrp(pc, gbr/unknown/unknown)'), false);
    const sound = '  Stream #0:1(und): Audio: aac (LC), 44100 Hz, stereo, fltp, 95 kb/s (default)';
    assert.equal(probe(video('yuv420p'), sound).hasAudio, true);
    assert.equal(probe(video('yuv420p')).hasAudio, false);
  });

  test('tells an untagged matrix from a tagged one', () => {
    const matrix = (colors: string) =>
      probe(`    Stream #0:0: Video: vp9, ${colors}, 64x48, 25 fps, 25 tbr`).colorMatrix;
    assert.equal(matrix('yuv420p'), null);
    assert.equal(matrix('yuv420p(progressive)'), null);
    assert.equal(matrix('yuv420p(tv, progressive)'), null);
    assert.equal(matrix('yuv420p(tv, unknown/bt709/bt709)'), null);
    assert.equal(matrix('yuvj420p(pc, bt470bg/unknown/unknown)'), 'bt470bg');
    assert.equal(matrix('yuv420p(tv, smpte170m/bt709/bt709, top first)'), 'smpte170m');
  });

  test('knows high dynamic range', () => {
    const line =
      'Stream #0:0: Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/smpte2084), 64x48, 24 fps';
    assert.equal(probe(line).highDynamicRange, true);
  });

  test('does not take cover art for a video', () => {
    assert.throws(
      () =>
        probe(
          'Stream #0:0: Audio: mp3, 44100 Hz, stereo',
          'Stream #0:1: Video: mjpeg, yuvj444p(pc), 300x300, 90k tbr (attached pic)',
        ),
      /x\.mp4: holds only sound/,
    );
  });
});
