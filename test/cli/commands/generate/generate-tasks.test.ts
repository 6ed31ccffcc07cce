import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { probeVideo } from '../../../../src/media/ffmpeg/probe.js';
import {
  createClipWriter,
  type Frames,
  readImage,
  readMedia,
  sliceFrames,
  writeImage,
} from '../../../../src/media/index.js';
import { fromArray, saveSafetensors, tidy } from '../../../../src/tensor/index.js';
import { saveTinyPipeline } from '../../../eval/tiny-pipeline.js';
import { ffmpeg, noFfmpeg } from '../../../media/helpers.js';
import { saveTinyDepthModel } from '../../../models/depth-anything/tiny.js';
import { columns, columnsOf, noisy, plain, slope, workplace, writeFolder } from './generating.js';

const { at, generate, made } = workplace('tasks');

/** Mean of each frame's absolute difference. */
function difference(a: Frames, b: Frames): number {
  assert.equal(a.data.length, b.data.length);
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i]! - b.data[i]!);
  return sum / a.data.length;
}

const frame = (clip: Frames, i: number): Frames => sliceFrames(clip, i, i + 1);

before(async () => {
  await writeImage(at('photo.png'), noisy(48, 32));
  await writeImage(at('other.png'), plain(32, 32, [[200, 40, 40]]));
  await writeImage(at('odd.png'), noisy(101, 57));
  await writeImage(at('left.png'), columns(48, 32, [0, 20]));
  await writeImage(at('left-32.png'), columns(32, 32, [0, 12]));
  await writeFolder(at('five'), noisy(32, 32, 5));
  await writeFolder(at('long'), noisy(32, 32, 23));
  await writeFolder(at('gray'), slope(32, 32, 23));
  await writeFolder(at('depth'), slope(32, 32, 23));
  await writeFolder(at('wide'), noisy(64, 32, 12, 5));
});

describe('each task goes from files to a file', { skip: noFfmpeg }, () => {
  const one = ['-i', at('photo.png')];
  const clip = ['-i', at('five')];
  const cases: [string[], size: string, numFrames: number, fps: number | null][] = [
    [['t2i', '-p', 'a'], '32x32', 1, null],
    [['t2v', '-p', 'a'], '32x32', 5, 8],
    [['i2v', ...one], '32x32', 5, 8],
    [['vexd', ...clip, '--frames', '9'], '32x32', 9, 24],
    [['itrans', ...one, '-i', at('other.png')], '32x32', 5, 8],
    [['vtrans', ...clip, ...clip, '--frames', '13'], '32x32', 2 + 13 + 2, 24],
    [['isr', ...one], '96x64', 1, null],
    [['vsr', ...clip, '--upscale', '1.5'], '48x48', 5, 24],
    [['icolor', ...one], '48x32', 1, null],
    [['vcolor', ...clip], '32x32', 5, 24],
    [['iinp', ...one, '--mask', at('left.png')], '48x32', 1, null],
    [['vinp', ...clip, '--box', '25%,25%,50%,50%'], '32x32', 5, 24],
    [['ioutp', ...one, '--expand', '0.25'], '72x48', 1, null],
    [['voutp', ...clip, '--expand', 'left=8,right=9'], '49x32', 5, 24],
    [['iedit', ...one, '-p', 'red'], '48x32', 1, null],
    [['vedit', ...clip, '-p', 'red'], '32x32', 5, 24],
    [['d2v', '-i', at('depth'), '-i', at('other.png'), '-p', 'a', '--frames', '5'], '32x32', 5, 8],
    [
      ['mtrans', '-i', at('long'), '--depth', at('depth'), '--frames', '5', '-p', 'a'],
      '32x32',
      5,
      24,
    ],
  ];
  for (const [words, size, numFrames, fps] of cases) {
    test(words[0]!, async () => {
      const got = await made(`${words[0]}.${fps ? 'mp4' : 'png'}`, ...words);
      assert.equal(`${got.width}x${got.height}`, size);
      assert.equal(got.numFrames, numFrames);
      assert.equal(got.fps, fps);
    });
  }
});

describe('what is longer than is made at once', { skip: noFfmpeg }, () => {
  test('follows its input to the last frame, in windows', async () => {
    const clip = ['-i', at('long')];
    for (const words of [
      ['vsr', ...clip, '--upscale', '1', '--window', '17'],
      ['vcolor', '-i', at('gray'), '--window', '9'],
      ['vinp', ...clip, '--box', '0,0,16,16', '--window', '17'],
      ['voutp', ...clip, '--expand', 'right=16', '--window', '17'],
      ['vedit', ...clip, '-p', 'red', '--window', '21'],
      ['d2v', '-i', at('depth')], // as trained: 5 frames
      ['mtrans', ...clip, '--depth', at('depth')],
    ]) {
      const got = await made('windows.mp4', ...words);
      assert.equal(got.numFrames, 23, words[0]);
      assert.match(got.stderr, new RegExp(`${words[0]} \\d+x\\d+, 23 frames`));
    }
  });

  test('goes on for as long as is asked', async () => {
    assert.equal(
      (await made('t2v.mp4', 't2v', '-p', 'a', '--frames', '30', '--window', '17')).numFrames,
      30,
    );
    assert.equal((await made('fewer.mp4', 't2v', '-p', 'a', '--frames', '3')).numFrames, 3);
    const words = ['i2v', '-i', at('photo.png'), '--frames', '14', '--window', '13'];
    assert.equal((await made('i2v.mp4', ...words)).numFrames, 14);
    const on = ['vexd', '-i', at('long'), '--frames', '21', '--window', '17'];
    assert.equal((await made('vexd.mp4', ...on)).numFrames, 23 - 8 + 21);
  });

  test('transitions end in the second input, whatever its size and rate', async () => {
    const images = [
      'itrans',
      '-i',
      at('photo.png'),
      '-i',
      at('other.png'),
      '--frames',
      '20',
      '--window',
      '13',
    ];
    const between = await made('itrans.mp4', ...images);
    assert.equal(between.numFrames, 20);

    await writeClip(at('first.mp4'), plain(32, 32, new Array(12).fill([20, 200, 20])), 8);
    await writeClip(at('second.mp4'), plain(64, 32, new Array(36).fill([200, 40, 200])), 24);
    const clips = ['vtrans', '-i', at('first.mp4'), '-i', at('second.mp4'), '--frames', '30'];
    const got = await made('vtrans.mp4', ...clips);
    assert.match(got.stderr, /second\.mp4: 24 frames per second become the 8 of .*first\.mp4/);
    assert.match(got.stderr, /second\.mp4: cropped by 50% of its width \(--fit\)/);
    // 12 frames at 8 a second of either, 7 of each at the joints: 5 before, 30, 5 after
    assert.equal(got.numFrames, 40);
    const [red, green, blue] = frame(got, 39).data;
    assert.ok(red! > 180 && green! < 70 && blue! > 180, `${red} ${green} ${blue}`);
  });

  test('what is known of a clip is kept in every window', async () => {
    await made('vinp.mp4', 'vinp', '-i', at('gray'), '--box', '0,0,16,32', '--window', '13');
    const [source, filled] = [await readMedia(at('gray')), await readMedia(at('vinp.mp4'))];
    // written by a lossy encoder: near, not the same
    const right = (clip: Frames, i: number) => columnsOf(frame(clip, i), 20, 32);
    for (let i = 0; i < 23; i++) {
      const [a, b] = [right(source, i), right(filled, i)];
      const off = a.reduce((sum, value, k) => sum + Math.abs(value - b[k]!), 0) / a.length;
      assert.ok(off < 4, `frame ${i}: ${off} levels`);
    }
  });
});

async function writeClip(path: string, frames: Frames, fps: number): Promise<void> {
  const { width, height } = frames;
  const writer = await createClipWriter(path, { width, height, fps });
  await writer.write(frames);
  await writer.finish();
}

describe('super-resolution goes by tiles', () => {
  test('of the size asked for, in one picture of the size asked for', async () => {
    const got = await made('isr.png', 'isr', '-i', at('photo.png'), '--upscale', '3');
    assert.deepEqual([got.width, got.height], [144, 96]);
    assert.match(
      got.stderr,
      /144x96 is made in tiles of 32x32 \(--no-tiles makes it in one piece\)/,
    );
    const own = ['isr', '-i', at('photo.png'), '--tile', '48x32'];
    assert.match((await made('own.png', ...own)).stderr, /96x64 is made in tiles of 48x32/);
    const whole = await made('whole.png', 'isr', '-i', at('photo.png'), '--no-tiles');
    assert.doesNotMatch(whole.stderr, /tiles/);
  });

  test('and made smaller again a result is its input, cropped where it has another shape', async () => {
    await writeImage(at('smooth.png'), slope(48, 32));
    const words = ['isr', '-i', at('smooth.png'), '--size', '64x64'];
    const got = await made('square.png', ...words);
    assert.match(got.stderr, /the input is cropped by 33% of its width for 64x64 \(--fit\)/);
    // the middle 32 columns of the input
    const { data } = await readImage(at('smooth.png'));
    const off = [...Array(32).keys()].map((x) => {
      const place = (32 * 64 + x * 2) * 3;
      return Math.abs(got.data[place]! - data[(16 * 48 + 8 + x) * 3]!);
    });
    assert.ok(off.reduce((a, b) => a + b) / 32 < 24, `${off}`);
  });
});

describe('where something is to be made', () => {
  const photo = ['iinp', '-i', at('photo.png')];
  const fill = (...words: string[]) => made('filled.png', ...photo, ...words);

  test('a box, a mask and the other side of a mask say the same', async () => {
    const box = await fill('--box', '0,0,20,32');
    const mask = await fill('--mask', at('left.png'));
    assert.deepEqual(box.data, mask.data);
    await writeImage(at('right.png'), columns(48, 32, [20, 48]));
    const turned = await fill('--mask', at('right.png'), '--invert-mask');
    assert.deepEqual(turned.data, mask.data);
    const source = await readImage(at('photo.png'));
    assert.deepEqual(columnsOf(mask, 20, 48), columnsOf(source, 20, 48));
    assert.notDeepEqual(columnsOf(mask, 0, 20), columnsOf(source, 0, 20));
  });

  test('a colour and transparency', async () => {
    const picture = columns(48, 32, [0, 20]);
    picture.data = picture.data.map((value, i) => (value === 255 && i % 3 !== 1 ? 0 : value));
    await writeImage(at('green.png'), picture);
    const got = await made('green-out.png', 'iinp', '-i', at('green.png'), '--mask-colour', '0f0');
    assert.ok(columnsOf(got, 20, 48).every((value) => value === 0));

    const rgba = new Uint8Array(48 * 32 * 4).map((_, i) =>
      i % 4 === 3 ? (Math.floor(i / 4) % 48 < 20 ? 0 : 255) : 90,
    );
    const raw = { width: 48, height: 32, channels: 4 as const };
    await sharp(rgba, { raw }).png().toFile(at('erased.png'));
    const filled = await made('erased-out.png', 'iinp', '-i', at('erased.png'), '--mask-alpha');
    assert.ok(columnsOf(filled, 20, 48).every((value) => value === 90));
  });

  test('known pixels are the input’s, byte for byte, at a size that no model makes', async () => {
    const source = await readImage(at('odd.png'));
    const got = await made('odd-out.png', 'iinp', '-i', at('odd.png'), '--box', '0,0,40,57');
    assert.deepEqual([got.width, got.height], [101, 57]);
    assert.deepEqual(columnsOf(got, 40, 101), columnsOf(source, 40, 101));
    const words = ['iinp', '-i', at('odd.png'), '--box', '0,0,40,57', '--no-keep-known'];
    const loose = await made('loose.png', ...words);
    assert.notDeepEqual(columnsOf(loose, 40, 101), columnsOf(source, 40, 101));
    const wider = await made('wider.png', 'ioutp', '-i', at('odd.png'), '--expand', 'left=20');
    assert.equal(wider.width, 121);
    assert.deepEqual(columnsOf(wider, 20, 121), source.data);
  });

  test('a clip, frame by frame', { skip: noFfmpeg }, async () => {
    await writeFolder(at('moving'), columns(32, 32, [0, 16], 5));
    const words = ['vinp', '-i', at('five'), '--mask', at('moving')];
    assert.equal((await made('moving.mp4', ...words)).numFrames, 5);
    await writeClip(at('nine.mp4'), slope(32, 32, 9), 24);
    await writeClip(at('mask.mp4'), columns(32, 32, [0, 16], 9), 24);
    const clips = ['vinp', '-i', at('nine.mp4'), '--mask', at('mask.mp4'), '--window', '9'];
    assert.equal((await made('moving.mp4', ...clips)).numFrames, 9);
  });
});

describe('colours', () => {
  test('come from a reference picture, and brightness stays the input’s', async () => {
    await writeImage(at('gray.png'), slope(48, 32));
    const words = ['icolor', '-i', at('gray.png')];
    const bare = await made('bare.png', ...words);
    const toned = await made('toned.png', ...words, '--reference', at('other.png'));
    const source = await readImage(at('gray.png'));
    for (const { data } of [bare, toned]) {
      for (let i = 0; i < data.length; i += 3) {
        const luma = 0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;
        assert.ok(Math.abs(luma - source.data[i]!) <= 1.5, `${luma} for ${source.data[i]}`);
      }
    }
    const mean = (data: Uint8Array, c: number) =>
      data.filter((_, i) => i % 3 === c).reduce((sum, value) => sum + value, 0);
    assert.ok(mean(toned.data, 0) > mean(toned.data, 2), 'red as the reference');
  });
});

describe('sound', { skip: noFfmpeg }, () => {
  test('goes with what is made of a clip', async () => {
    ffmpeg(
      ...['-f', 'lavfi', '-i', 'testsrc=s=32x32:r=8:d=1', '-f', 'lavfi', '-i', 'sine=d=1'],
      ...['-pix_fmt', 'yuv420p', '-shortest', at('tone.mp4')],
    );
    const hasAudio = async (...words: string[]) => {
      const window = words[0] === 'vexd' || words[0] === 'i2v' ? [] : ['--window', '9'];
      const got = await generate(...words, ...window, '-o', at('sound.mp4'));
      assert.equal(got.exitCode, 0, got.message);
      return { ...(await probeVideo(at('sound.mp4'))), stderr: got.stderr };
    };
    const clip = ['-i', at('tone.mp4')];
    for (const words of [
      ['vsr', ...clip, '--upscale', '1'],
      ['vcolor', ...clip],
      ['vexd', ...clip, '--frames', '9'],
    ]) {
      assert.equal((await hasAudio(...words)).hasAudio, true, words[0]);
    }
    assert.equal((await hasAudio('i2v', ...clip)).hasAudio, false);
    const faster = await hasAudio('vcolor', ...clip, '--fps', '16');
    assert.equal(faster.hasAudio, false);
    assert.match(
      faster.stderr,
      /^--fps: 16 is not the 8 of the input, so any sound of the input is left out/m,
    );
  });
});

describe('depth', { skip: noFfmpeg }, () => {
  test('comes in every form, and the same depth gives the same clip', async () => {
    const values = Array.from({ length: 5 }, (_, f) =>
      Array.from({ length: 32 * 32 }, (_, i) => (i % 32) * 6 + f),
    );
    await writeFolder(at('depth-8'), grays(values));
    mkdirSync(at('depth-16'));
    for (const [i, plane] of values.entries()) {
      const raw = { width: 32, height: 32, channels: 1 as const };
      const deep = Uint16Array.from(plane, (value) => value * 257);
      const picture = sharp(deep, { raw }).toColourspace('grey16');
      await picture.png().toFile(`${at('depth-16')}/${i}.png`);
    }
    await writeClip(at('depth.mp4'), grays(values), 8);
    const [least, most] = [Math.min(...values.flat()), Math.max(...values.flat())];
    const scaled = Float32Array.from(
      values.flat(),
      (value) => ((value - least) * 10) / (most - least),
    );
    tidy(() => saveSafetensors(at('depth.safetensors'), { depth: fromArray(scaled, [5, 32, 32]) }));
    const clips: Frames[] = [];
    for (const name of ['depth-8', 'depth-16', 'depth.safetensors', 'depth.mp4']) {
      clips.push(await made('d2v.mp4', 'd2v', '-i', at(name), '-p', 'a'));
    }
    assert.ok(clips.every(({ numFrames }) => numFrames === 5));
    const [eight, sixteen, tensor, lossy] = clips as [Frames, Frames, Frames, Frames];
    assert.ok(difference(eight, sixteen) < 0.5, `${difference(eight, sixteen)}`);
    assert.ok(difference(eight, tensor) < 0.5, `${difference(eight, tensor)}`);
    assert.ok(difference(eight, lossy) < 8, `${difference(eight, lossy)}`);
  });

  test('is estimated by the depth model that the pipeline carries', async () => {
    saveTinyPipeline(at('with-depth'), { usesDepth: true });
    saveTinyDepthModel(at('with-depth/depth_model'));
    const pipeline = ['--pipeline', at('with-depth'), '-p', 'a'];
    const moved = await made(
      'mtrans.mp4',
      'mtrans',
      '-i',
      at('long'),
      '--frames',
      '9',
      ...pipeline,
    );
    assert.equal(moved.numFrames, 9);
    const clip = ['d2v', '--depth-from', at('long'), ...pipeline];
    const shaped = await made('d2v.mp4', ...clip, '--frames', '9', '-i', at('other.png'));
    assert.equal(shaped.numFrames, 9);
    const still = await made('still.mp4', 'd2v', '--depth-from', at('other.png'), ...pipeline);
    assert.equal(still.numFrames, 5);
    assert.match(
      still.stderr,
      /other\.png: is one picture, so its shapes stand still for 5 frames/,
    );
  });

  test('of one map stands still, for as many frames as are asked for', async () => {
    await writeFolder(at('one-map'), slope(32, 32, 1));
    const words = ['d2v', '-i', at('one-map'), '-p', 'a'];
    const clip = await made('d2v.mp4', ...words, '--frames', '9');
    assert.equal(clip.numFrames, 9);
    assert.match(clip.stderr, /one-map: is one picture, .* 9 frames \(--frames\)/);
  });

  test('that is upside down is made all the same, with a hint', async () => {
    const values = Array.from({ length: 5 }, () =>
      Array.from({ length: 32 * 32 }, (_, i) => 250 - Math.floor(i / 32) * 7),
    );
    await writeFolder(at('depth-far'), grays(values));
    const words = ['d2v', '-i', at('depth-far'), '-p', 'a'];
    const doubted = await made('d2v.mp4', ...words);
    assert.match(
      doubted.stderr,
      /depth-far: the bottom of this map is far and the top near; if white means far in it, give --depth-is far, and if its values are distances, --depth-is distance$/m,
    );
    const told = await made('d2v.mp4', ...words, '--depth-is', 'far');
    assert.doesNotMatch(told.stderr, /the bottom of this map/);
    const upright = values.map((plane) => plane.map((value) => 283 - value));
    await writeFolder(at('depth-near'), grays(upright));
    const wanted = await made('d2v.mp4', 'd2v', '-i', at('depth-near'), '-p', 'a');
    assert.ok(difference(told, wanted) < 0.5, `${difference(told, wanted)}`);
    const twice = await made(
      'd2v.mp4',
      'd2v',
      '-i',
      at('depth-near'),
      '-p',
      'a',
      '--depth-is',
      'far',
    );
    assert.match(
      twice.stderr,
      /with --depth-is far the bottom .*; leave that out if white means near/,
    );
  });

  test('of another shape than the result is cropped, as is said', async () => {
    await writeFolder(at('depth-wide'), slope(64, 32, 5));
    const words = ['d2v', '-i', at('depth-wide'), '-p', 'a', '--size', '32x32'];
    const got = await made('d2v.mp4', ...words);
    assert.match(got.stderr, /depth-wide: cropped to the shape of 32x32 \(--fit\)/);
    const refused = await generate(...words, '--strict', '-o', at('strict.mp4'));
    assert.match(refused.message, /depth-wide: cropped .*; --strict refuses to fit anything$/);
  });
});

function grays(planes: number[][]): Frames {
  const data = Uint8Array.from(planes.flat().flatMap((value) => [value, value, value]));
  return { width: 32, height: 32, numFrames: planes.length, data };
}

describe('--strict refuses with one sentence', { skip: noFfmpeg }, () => {
  const cases: [string, () => string[], RegExp][] = [
    [
      'a size that no model makes',
      () => ['iinp', '-i', at('odd.png'), '--box', '0,0,9,9'],
      /odd\.png: 101x57 is made at/,
    ],
    ['another shape', () => ['i2v', '-i', at('photo.png')], /photo\.png: 48x32 becomes/],
    [
      'a crop',
      () => ['i2v', '-i', at('photo.png'), '--size', '32x32'],
      /photo\.png: cropped by 33% of its width/,
    ],
    [
      'a length',
      () => ['vsr', '-i', at('five'), '--frames', '3', '--upscale', '1'],
      /^3 frames: 5 are made/,
    ],
    [
      'a size in words',
      () => ['t2v', '-p', 'a', '--size', '33x32'],
      /^--size: 33x32 is made at 32x32/,
    ],
    [
      'another rate',
      () => ['vtrans', '-i', at('slow.mp4'), '-i', at('five'), '--frames', '17'],
      /five: 24 frames per second become the 8 of/,
    ],
  ];
  for (const [what, words, message] of cases) {
    test(what, async () => {
      await writeClip(at('slow.mp4'), slope(32, 32, 9), 8);
      const all = words();
      const file = /^i(inp|sr)/.test(all[0]!) ? 'strict.png' : 'strict.mp4';
      const got = await generate(...all, '--strict', '-o', at(file));
      assert.equal(got.exitCode, 2, got.stderr);
      assert.match(got.message, message);
      assert.match(got.message, /; --strict refuses to fit anything$/);
      assert.doesNotMatch(got.message, /\n/);
    });
  }
});

describe('a list', () => {
  test('says how to fill and to fit, row by row', async () => {
    const rows = [
      { input: 'photo.png', box: '0,0,10,10', keep_known: false },
      { input: 'photo.png', 'mask-colour': '#000', maskTolerance: 200, invertMask: true },
      { input: 'photo.png', mask: 'left.png', size: '32x32', fit: 'stretch', strict: false },
    ];
    const write = (...all: object[]) =>
      writeFileSync(at('rows.jsonl'), all.map((row) => JSON.stringify(row)).join('\n'));
    write(...rows);
    const got = await generate('iinp', '--batch', at('rows.jsonl'), '-o', at('rows'));
    assert.equal(got.exitCode, 0, got.stderr);
    assert.equal(got.stdout.trim().split('\n').length, 3);
    assert.match(got.stderr, /the input is stretched: made narrower by 33%/);
    write(...rows, { input: 'photo.png', mask: 'left.png', 'invert-mask': 'yes' });
    const wrong = await generate('iinp', '--batch', at('rows.jsonl'), '-o', at('rows'));
    assert.equal(wrong.exitCode, 2);
    assert.match(wrong.message, /rows\.jsonl:4: "invert-mask" must be true or false, got "yes"/);
  });

  test('and takes flags from CSV too', async () => {
    writeFileSync(
      at('rows.csv'),
      'input,box,keep known,invert_mask\nphoto.png,"0,0,10,10",,true\n'.replace(' ', '_'),
    );
    const got = await generate('iinp', '--batch', at('rows.csv'), '-o', at('csv'));
    assert.equal(got.exitCode, 0, got.stderr);
    const { data } = await readImage(at('csv/0001-photo.png'));
    const source = await readImage(at('photo.png'));
    assert.deepEqual(data.subarray(0, 30), source.data.subarray(0, 30), 'turned round: kept');
    assert.notDeepEqual(data, source.data);
  });
});
