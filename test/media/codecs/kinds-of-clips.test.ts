import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { openMedia } from '../../../src/data/measure/open-item.js';
import { InputError } from '../../../src/errors.js';
import { openClip } from '../../../src/media/codecs/clip-reader.js';
import { readOpacity, readVideo } from '../../../src/media/codecs/video.js';
import { ffmpegFeatures } from '../../../src/media/ffmpeg/features.js';
import { probeAudio, probeVideo } from '../../../src/media/ffmpeg/probe.js';
import { readGray } from '../../../src/media/mask/mask.js';
import { temporaryFolder } from '../../temp-folder.js';
import { colorAt, expectColor, ffmpeg, flatFrames, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const lavfi = (graph: string) => ['-f', 'lavfi', '-i', graph];

/** Skips the test unless the ffmpeg found has these. */
async function needs(kind: 'encoders' | 'decoders' | 'filters', ...names: string[]) {
  const there = await ffmpegFeatures(kind);
  const missing = names.filter((name) => !there.has(name));
  return missing.length > 0 ? `needs ffmpeg with ${missing.join(', ')}` : null;
}

describe('clips whose pictures change their size', { skip: noFfmpeg }, () => {
  before(() => {
    for (const [name, size] of [
      ['a', '96x64'],
      ['b', '64x48'],
      ['c', '48x80'],
    ]) {
      ffmpeg(...lavfi(`testsrc=s=${size}:r=16:d=1`), '-c:v', 'mpeg4', at(`${name}.ts`));
    }
    const all = ['a', 'b', 'c'].map((name) => readFileSync(at(`${name}.ts`)));
    writeFileSync(at('call.ts'), Buffer.concat(all));
  });

  test('give all frames at the first size, and a note', async () => {
    const { width, height, numFrames, notes } = await readVideo(at('call.ts'));
    assert.deepEqual([width, height, numFrames], [96, 64, 48]);
    assert.match(
      notes.join(),
      /call\.ts: changes its picture size .* to the size of the first, 96x64/,
    );
  });

  test('give all of them bit by bit, reduced, and at another rate', async () => {
    const clip = await openClip(at('call.ts'));
    const counts: number[] = [];
    for (;;) {
      const frames = await clip.read(20);
      if (!frames) break;
      counts.push(frames.numFrames);
    }
    assert.deepEqual(counts, [20, 20, 8]);
    assert.match(clip.notes.join(), /changes its picture size/);
    for (const options of [{ maxSide: 32 }, { maxSide: 32, fps: 16 }]) {
      const opened = await openMedia(at('call.ts'), 'either', options);
      assert.equal(opened.kind, 'clip');
      if (opened.kind !== 'clip') return;
      let count = 0;
      for await (const _ of opened.frames(32)) count++;
      // the joint has no time of its own, so an even rate may have one frame less or more there
      assert.ok(Math.abs(count - 48) <= ('fps' in options ? 2 : 0), `${count} frames`);
      assert.match(opened.notes.join(), /changes its picture size/);
    }
  });
});

describe('interlaced clips', { skip: noFfmpeg }, () => {
  /** A white bar that moves: half pictures of different times show it in two places. */
  const FIELDS =
    "color=black:s=96x64:r=50:d=1,geq=lum='if(lt(mod(X+96-N*2\\,96)\\,16)\\,235\\,16)':cb=128:cr=128,tinterlace=interleave_top,setfield=tff";

  /** Of a column where a bar is in one half picture alone: the mean step from line to line. */
  function combs({ width, height, numFrames, data }: Awaited<ReturnType<typeof readVideo>>) {
    let most = 0;
    for (let frame = 2; frame < numFrames - 2; frame++) {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let y = 1; y < height; y++) {
          const place = ((frame * height + y) * width + x) * 3;
          sum += Math.abs(data[place]! - data[place - width * 3]!);
        }
        most = Math.max(most, sum / (height - 1));
      }
    }
    return most;
  }

  const clips: [string, string[]][] = [
    ['top.mpg', [...lavfi(FIELDS), '-c:v', 'mpeg2video', '-flags', '+ildct+ilme', '-q', '2']],
    // its container and codec do not say so before a frame is decoded
    ['mpeg4.avi', [...lavfi(FIELDS), '-c:v', 'mpeg4', '-flags', '+ildct+ilme', '-q', '2']],
  ];
  for (const [name, args] of clips) {
    test(`${name} is deinterlaced, frame for frame, and says so`, async () => {
      ffmpeg(...args, at(name));
      const clip = await readVideo(at(name));
      assert.equal(clip.numFrames, 25);
      assert.match(clip.notes.join(), /interlaced, so its frames are deinterlaced/);
      assert.ok(combs(clip) < 60, `steps of ${combs(clip)} between lines`);
      const opened = await openMedia(at(name), 'either');
      assert.match(opened.notes.join(), /interlaced/);
    });
  }

  test('that have one frame give it', async () => {
    ffmpeg(...lavfi(FIELDS), '-frames:v', '1', '-c:v', 'ffv1', at('one.mkv'));
    assert.equal((await readVideo(at('one.mkv'))).numFrames, 1);
  });
});

describe('clips of high dynamic range', { skip: noFfmpeg }, () => {
  for (const [kind, transfer, white] of [
    ['HLG', 'arib-std-b67', 0.75],
    ['PQ', 'smpte2084', 0.58],
  ] as const) {
    test(`in ${kind} are tone-mapped: white of graphics is nearly white`, async (t) => {
      const missing = await needs('filters', 'zscale', 'tonemap');
      if (missing) return t.skip(missing);
      const path = at(`${kind}.mkv`);
      // 10 bits of limited range: BT.2408 has reference white at 75 % in HLG, at 58 % in PQ
      const luma = Math.round(64 + white * 876);
      const pictures = `color=black:s=64x48:r=16:d=0.25,format=yuv420p10le,geq=lum=${luma}:cb=512:cr=512`;
      const tags = [
        '-color_primaries',
        'bt2020',
        '-color_trc',
        transfer,
        '-colorspace',
        'bt2020nc',
      ];
      ffmpeg(...lavfi(pictures), '-c:v', 'ffv1', ...tags, '-color_range', 'tv', path);
      const clip = await readVideo(path);
      const [level] = colorAt(clip);
      assert.ok(level! > 230 && level! <= 255, `white is ${level}`);
      expectColor(colorAt(clip), [level!, level!, level!], 3);
      assert.match(clip.notes.join(), new RegExp(`high dynamic range \\(${kind}\\), tone-mapped`));
      const opened = await openMedia(path, 'either');
      assert.match(opened.notes.join(), /high dynamic range/);
    });
  }
});

describe('clips with opacity', { skip: noFfmpeg }, () => {
  /** Red; its left half is transparent. */
  const half = "color=red:s=64x48:r=16:d=0.5,format=rgba,geq=r=254:g=0:b=0:a='if(lt(X,32),0,255)'";
  const clips: [string, string[], string[]][] = [
    ['prores.mov', ['prores_ks'], ['-c:v', 'prores_ks', '-pix_fmt', 'yuva444p10le']],
    ['animation.mov', ['qtrle'], ['-c:v', 'qtrle', '-pix_fmt', 'argb']],
    ['pictures.mov', ['png'], ['-c:v', 'png', '-pix_fmt', 'rgba']],
    ['lossless.mkv', ['ffv1'], ['-c:v', 'ffv1', '-pix_fmt', 'bgra']],
    [
      'vp9.webm',
      ['libvpx-vp9'],
      ['-c:v', 'libvpx-vp9', '-pix_fmt', 'yuva420p', '-auto-alt-ref', '0'],
    ],
    ['vp8.webm', ['libvpx'], ['-c:v', 'libvpx', '-pix_fmt', 'yuva420p', '-auto-alt-ref', '0']],
  ];
  for (const [name, encoders, args] of clips) {
    test(`${name} shows it over white, with a note, and its opacity is read`, async (t) => {
      const missing = await needs('encoders', ...encoders);
      if (missing) return t.skip(missing);
      ffmpeg(...lavfi(half), ...args, at(name));
      const clip = await readVideo(at(name));
      assert.equal(clip.numFrames, 8);
      expectColor(colorAt(clip, 3, 8, 24), [255, 255, 255], 3);
      expectColor(colorAt(clip, 3, 56, 24), [254, 0, 0], 12);
      assert.match(clip.notes.join(), /transparent parts are shown over white/);
      const opacity = await readOpacity(at(name));
      assert.deepEqual(opacity?.alpha, clip.alpha);
      assert.equal(opacity?.numFrames, 8);
      assert.ok(clip.alpha![8]! < 8 && clip.alpha![56]! > 247);
      // a mask: what is transparent is black
      const gray = await readGray(at(name));
      assert.ok(gray.data[8]! < 8 && gray.data[56]! > 50);
    });
  }

  test('that are opaque throughout have none, and no note', async () => {
    ffmpeg(
      ...lavfi('color=red:s=64x48:r=16:d=0.25'),
      '-c:v',
      'ffv1',
      '-pix_fmt',
      'bgra',
      at('o.mkv'),
    );
    const { alpha, notes } = await readVideo(at('o.mkv'));
    assert.deepEqual([alpha, notes, await readOpacity(at('o.mkv'))], [null, [], null]);
    await assert.rejects(
      readOpacity(at('o.mkv'), { maxBytes: 64 * 48 * 4 - 1 }), // it has 4 frames
      (error: Error) =>
        error instanceof InputError && /takes more than 0 MB .*64x48/.test(error.message),
    );
  });
});

describe('files with several streams', { skip: noFfmpeg }, () => {
  test('show them behind hundreds of chapters', async () => {
    const chapters = Array.from(
      { length: 600 },
      (_, i) => `[CHAPTER]\nTIMEBASE=1/1000\nSTART=${i}\nEND=${i + 1}\ntitle=part ${i}\n`,
    );
    writeFileSync(at('chapters.txt'), `;FFMETADATA1\n${chapters.join('')}`);
    const sound = ['-f', 'lavfi', '-i', 'sine=440:d=1', '-i', at('chapters.txt')];
    const args = ['-map', '0', '-map', '1', '-map_metadata', '2', '-c:v', 'mpeg4'];
    ffmpeg(...lavfi('testsrc=s=64x48:r=16:d=1'), ...sound, ...args, at('chapters.mkv'));
    const { width, height, hasAudio } = await probeVideo(at('chapters.mkv'));
    assert.deepEqual([width, height, hasAudio], [64, 48, true]);
    assert.equal((await probeAudio(at('chapters.mkv')))?.stream, 1);
  });

  test('give the default one of pictures', async () => {
    ffmpeg(...lavfi('color=red:s=32x32:r=25:d=0.04'), '-c:v', 'png', at('cover.mkv'));
    ffmpeg(...lavfi('color=blue:s=64x48:r=16:d=1'), '-c:v', 'mpeg4', '-q', '2', at('film.mkv'));
    const both = ['-i', at('cover.mkv'), '-i', at('film.mkv'), '-map', '0:0', '-map', '1:0'];
    const marks = ['-disposition:0', '0', '-disposition:1', 'default'];
    ffmpeg(...both, '-c', 'copy', ...marks, at('both.mkv'));
    const clip = await readVideo(at('both.mkv'));
    assert.deepEqual([clip.width, clip.height, clip.numFrames], [64, 48, 16]);
    expectColor(colorAt(clip), [0, 0, 254], 6);
    assert.match(clip.notes.join(), /has 2 video streams; the default one \(1\) is used/);
  });
});

describe('clips from a time on', { skip: noFfmpeg }, () => {
  for (const name of ['stream.ts', 'stream.mpg', 'stream.m2v', 'stream.mkv']) {
    test(`${name} begins at the frame that is asked for, key frame or not`, async () => {
      const codec = name.endsWith('mkv') ? 'mpeg4' : 'mpeg2video';
      ffmpeg(...lavfi('testsrc=s=64x48:r=25:d=4'), '-c:v', codec, '-g', '50', '-q', '3', at(name));
      const all = await readVideo(at(name));
      const frame = 64 * 48 * 3;
      for (const number of [3, 60]) {
        const start = (number - 0.25) / 25;
        const part = await readVideo(at(name), { start, maxFrames: 1 });
        const expected = all.data.subarray(number * frame, (number + 1) * frame);
        assert.deepEqual(part.data, expected, `frame ${number}`);
      }
    });
  }

  test('know when their first picture is shown', async () => {
    const pictures = [...lavfi('testsrc=s=64x48:r=25:d=1'), ...lavfi('sine=d=1')];
    ffmpeg('-itsoffset', '0.4', ...pictures, '-c:v', 'mpeg4', '-c:a', 'aac', at('late.mkv'));
    const { firstSeconds } = await probeVideo(at('late.mkv'));
    assert.ok(Math.abs(firstSeconds - 0.4) < 0.03, `${firstSeconds}`);
    const opened = await openMedia(at('late.mkv'), 'either');
    assert.ok(opened.kind === 'clip' && opened.beginSeconds === firstSeconds);
  });
});

describe('files that are not opened', { skip: noFfmpeg }, () => {
  const refused = async (name: string, content: string | Buffer) => {
    writeFileSync(at(name), content);
    await assert.rejects(readVideo(at(name)), (error: Error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, /cannot be decoded as a video|refers to other files/);
      return true;
    });
  };

  test('are those that name other files to read, whatever they are called', async () => {
    ffmpeg(...lavfi('testsrc=s=64x48:r=25:d=1'), '-c:v', 'mpeg2video', at('secret.ts'));
    const playlist = `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n${at('secret.ts')}\n#EXT-X-ENDLIST\n`;
    // a control character, so that it does not pass for a text
    await refused('list.mp4', `${playlist}\x01`);
    await refused('list.m3u8', `${playlist}\x01`);
    await refused('list.ts', `\x01\n${playlist}`);
    await refused('join.mp4', `ffconcat version 1.0\nfile '${at('secret.ts')}'\n\x01`);
    await refused('talk.sdp', 'v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n\x01');
  });

  test('nor numbered pictures in place of one', async () => {
    for (const i of [1, 2])
      ffmpeg(...lavfi('color=red:s=16x16'), '-frames:v', '1', at(`n${i}.bmp`));
    writeFileSync(at('n%d.bmp'), readFileSync(at('n1.bmp')));
    await assert.rejects(readVideo(at('n%d.bmp')), InputError);
  });
});

describe('rates that cannot be', { skip: noFfmpeg }, () => {
  test('are told as the file says them', async () => {
    const pictures = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', '16x16', '-r', '90000'];
    writeFileSync(
      at('raw'),
      flatFrames(16, 16, [
        [1, 2, 3],
        [4, 5, 6],
      ]).data,
    );
    ffmpeg(...pictures, '-i', at('raw'), '-c:v', 'ffv1', at('fast.nut'));
    const { fps } = await probeVideo(at('fast.nut'));
    assert.ok(fps! > 1000, `${fps}`);
  });
});
