import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError, JobError } from '../../../src/errors.js';
import { findFfmpeg } from '../../../src/media/ffmpeg/ffmpeg.js';
import { parseProbe } from '../../../src/media/ffmpeg/probe.js';
import {
  compareVersions,
  type FfmpegVersion,
  isOld,
  parseVersion,
  versionInWords,
} from '../../../src/media/ffmpeg/version.js';
import { temporaryFolder } from '../../temp-folder.js';

describe('findFfmpeg', () => {
  test('says how to get ffmpeg when there is none', () => {
    assert.throws(
      () => findFfmpeg({ env: { PATH: '/nowhere' }, packaged: () => null }),
      (error: Error) =>
        error instanceof JobError && /not found.*apt install ffmpeg/.test(error.message),
    );
  });

  test('takes the newer of the one on PATH and the npm package', () => {
    const folder = dirname(process.execPath);
    const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
    const bin = temporaryFolder();
    symlinkSync(process.execPath, join(bin, name));
    const taken = (system: number, own: number) => {
      const versions: Record<string, number> = { [join(bin, name)]: system, [folder]: own };
      const asked: string[] = [];
      const versionOf = (program: string): FfmpegVersion => {
        asked.push(program);
        return { name: program, libavformat: [versions[program]!, 20] };
      };
      const path = findFfmpeg({ env: { PATH: bin }, packaged: () => folder, versionOf });
      return [path === folder ? 'package' : 'PATH', asked.length];
    };
    assert.deepEqual(taken(61, 58), ['PATH', 1]); // the package need not be asked
    assert.deepEqual(taken(58, 58), ['PATH', 2]);
    assert.deepEqual(taken(57, 58), ['package', 2]);
  });

  test('takes the npm package where there is no other, and FFMPEG_PATH first', () => {
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

describe('ffmpegVersion', () => {
  const said = (name: string, libavformat: string) =>
    parseVersion(`ffmpeg version ${name} Copyright (c)\nlibavformat    ${libavformat}\n`);

  test('goes by libavformat, so that builds of any name can be compared', () => {
    const debian = said('5.1.9-0+deb12u1', '59. 27.100 / 59. 27.100');
    const old = said('N-47683-g0e8eb07980-static', '58. 24.100 / 58. 24.100');
    assert.deepEqual(debian?.libavformat, [59, 27]);
    assert.ok(compareVersions(debian, old) > 0 && compareVersions(old, null) > 0);
    assert.deepEqual([debian, old, null].map(isOld), [false, true, true]);
    assert.equal(versionInWords(debian), '5.1.9-0+deb12u1');
    assert.equal(versionInWords(old), 'N-47683-g0e8eb07980-static, about release 4');
    assert.equal(parseVersion('some other program 1.0\n'), null);
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
      stream: 0,
      numStreams: 1,
      width: 320,
      height: 180,
      fps: 30000 / 1001,
      usualFps: 30,
      durationSeconds: 63.24,
      codec: 'h264',
      pixelFormat: 'yuv420p',
      colorMatrix: 'bt709',
      highDynamicRange: null,
      fullRange: false,
      interlaced: false,
      hasAlpha: false,
      isTurned: false,
      startSeconds: 0,
      firstSeconds: 0,
      seekMarginSeconds: 0,
      hasAudio: false,
    });
  });

  test('takes whole rates as they are, and two digits for a multiple of 1000/1001', () => {
    const rate = (fps: string) => probe(`Stream #0:0: Video: h264, yuv420p, 64x48, ${fps} fps`).fps;
    for (const whole of [1, 2, 3, 4, 5, 6, 7, 24, 30, 60]) assert.equal(rate(`${whole}`), whole);
    for (const near of [15, 24, 30, 60, 120]) {
      const exact = (near * 1000) / 1001;
      assert.equal(rate(exact.toFixed(2)), exact);
    }
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
    const range = (colors: string) =>
      probe(`Stream #0:0: Video: hevc (Main 10), yuv420p10le(${colors}), 64x48, 24 fps`)
        .highDynamicRange;
    assert.equal(range('tv, bt2020nc/bt2020/smpte2084'), 'PQ');
    assert.equal(range('tv, bt2020nc/bt2020/arib-std-b67, progressive'), 'HLG');
    assert.equal(range('tv, bt2020nc/bt2020/bt709'), null);
  });

  test('knows interlaced frames by the stream or by the first frames', () => {
    const dv = 'Stream #0:0: Video: dvvideo (dvsd / 0x64737664), yuv420p, 720x576, 25 fps';
    const isInterlaced = (...lines: string[]) => probe(...lines).interlaced;
    for (const order of ['top first', 'bottom first', 'top coded first (swapped)']) {
      const line = `Stream #0:0: Video: mpeg2video (Main), yuv420p(tv, ${order}), 64x48, 25 fps`;
      assert.equal(isInterlaced(line), true, order);
    }
    const shown = (kind: string) =>
      `[Parsed_showinfo_0 @ 0x1] n:   0 pts:  0 pts_time:0  pos: 0 fmt:yuv420p s:720x576 i:${kind} iskey:1`;
    assert.equal(isInterlaced(dv, 'Output #0, null, to pipe:', shown('B')), true);
    assert.equal(isInterlaced(dv, 'Output #0, null, to pipe:', shown('P')), false);
  });

  test('knows opacity by the pixel format or, of WebM, by its tag', () => {
    const hasAlpha = (format: string, ...tags: string[]) =>
      probe(`Stream #0:0: Video: vp9, ${format}, 64x48, 25 fps`, ...tags).hasAlpha;
    for (const format of ['yuva444p12le(tv)', 'rgba', 'bgra(pc)', 'gbrap10le', 'ya8', 'pal8']) {
      assert.equal(hasAlpha(format), true, format);
    }
    for (const format of ['yuv420p', 'bgr0', 'gbrp', 'rgb24', 'gray']) {
      assert.equal(hasAlpha(format), false, format);
    }
    assert.equal(hasAlpha('yuv420p(tv)', '    Metadata:', '      alpha_mode      : 1'), true);
  });

  test('takes the default stream, and moving pictures before a cover', () => {
    const line = (index: number, codec: string, mark = '') =>
      `  Stream #0:${index}(und): Video: ${codec}, yuv420p, 64x48, 25 fps, 25 tbr${mark}`;
    const taken = (...lines: string[]) => probe(...lines).stream;
    assert.equal(taken(line(0, 'h264'), line(1, 'h264', ' (default)')), 1);
    assert.equal(taken(line(0, 'h264'), line(1, 'h264')), 0);
    assert.equal(taken(line(0, 'png', ' (default)'), line(1, 'h264')), 1);
    assert.equal(taken(line(0, 'mjpeg', ' (attached pic)'), line(1, 'mjpeg', ' (default)')), 1);
    // what ffmpeg makes of a stream is none of the file's
    const made = '  Stream #0:0: Video: wrapped_avframe, yuv420p, 32x32, 25 fps';
    const { width, numStreams } = probe(line(0, 'h264'), 'Output #0, null, to pipe:', made);
    assert.deepEqual([width, numStreams], [64, 1]);
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
