import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { before, beforeEach, describe, test } from 'node:test';
import { type Frames, sliceFrames, writeImage } from '../../../../src/media/index.js';
import { noFfmpeg } from '../../../media/helpers.js';
import { columns, noisy, plain, slope, workplace, writeFolder } from './generating.js';

const { at, generate, made } = workplace('any');
const out = (name: string) => at(`out/${name}`);
const photo = noisy(32, 32, 1, 7);
const clip = noisy(32, 32, 3, 8);

before(async () => {
  await writeImage(at('photo.png'), photo);
  await writeImage(at('wide.png'), noisy(96, 32));
  await writeImage(at('little.png'), noisy(16, 16));
  await writeFolder(at('clip'), clip);
  await writeFolder(at('long'), noisy(32, 32, 9));
  await writeFolder(at('depth'), slope(32, 32, 5));
  await writeImage(at('near.png'), slope(32, 32));
  await writeImage(at('hole.png'), columns(32, 32, [0, 10]));
  await writeFolder(at('holes-2'), columns(32, 32, [0, 10], 2));
  await writeImage(at('black.png'), columns(32, 32, [0, 0]));
  await writeImage(at('white.png'), columns(32, 32, [0, 32]));
  await writeImage(at('large.png'), columns(48, 32, [0, 10]));
  await writeFolder(at('coloured'), plain(32, 32, new Array(5).fill([250, 20, 20])));
});
beforeEach(() => rmSync(at('out'), { recursive: true, force: true }));

const known = (...parts: string[]) => parts.flatMap((part) => ['--known', at(part)]);
const frame = (frames: Frames, index: number) => sliceFrames(frames, index, index + 1).data;
const mean = (data: Uint8Array) => data.reduce((sum, value) => sum + value, 0) / data.length;

/** Runs it, and reads the frames that it wrote. */
async function framesOf(...words: string[]): Promise<Frames & { stderr: string }> {
  return made('any.gif', 'any', ...words);
}

describe('any mixture', { skip: noFfmpeg }, () => {
  test('is as long as asked, in windows if need be, with what is known of each', async () => {
    const words = [...known('photo.png@0', 'clip@6..8'), '--known', `${at('photo.png')}@-1`];
    const got = await framesOf(...words, '--depth', `${at('depth')}@4..8`, '--frames', '13');
    assert.deepEqual([got.width, got.height, got.numFrames], [32, 32, 13]);
    assert.match(got.stderr, /\d times, about/);
    // a GIF has 256 colours, so it is near alone
    for (const [index, wanted] of [
      [0, photo.data],
      [7, frame(clip, 1)],
      [12, photo.data],
    ] as const) {
      const near = frame(got, index).reduce((sum, v, i) => sum + Math.abs(v - wanted[i]!), 0);
      assert.ok(near / wanted.length < 30, `frame ${index}: ${near / wanted.length}`);
    }
  });

  test('of one frame is a picture; what is wholly known is kept byte for byte', async () => {
    const whole = await made('whole.png', 'any', ...known('photo.png@0'), '--frames', '1');
    assert.deepEqual(whole.data, photo.data);
    const holed = await made(
      'holed.png',
      ...['any', ...known(`photo.png@-1,mask=${at('hole.png')}`), '--frames', '1'],
    );
    holed.data.forEach((value, i) => {
      if (Math.floor(i / 3) % 32 >= 10) assert.equal(value, photo.data[i]);
    });
    assert.notDeepEqual(holed.data, photo.data);
    const inverted = await made(
      'inverted.png',
      ...['any', ...known(`photo.png@0,mask=${at('hole.png')},invert`), '--frames', '1'],
    );
    inverted.data.forEach((value, i) => {
      if (Math.floor(i / 3) % 32 < 10) assert.equal(value, photo.data[i]);
    });
  });

  test('keeps a share, brightness alone, or a coarse picture', async () => {
    const one = (part: string) => made('one.png', 'any', ...known(part), '--frames', '1');
    const distance = ({ data }: Frames) =>
      data.reduce((sum, value, i) => sum + Math.abs(value - photo.data[i]!), 0) / data.length;
    const [half, most] = [await one('photo.png@0,keep=0.5'), await one('photo.png@0,keep=0.9')];
    assert.ok(distance(most) > 0 && distance(most) < distance(half) / 2);
    const gray = await one('photo.png@0,gray');
    const luma = ({ data }: Frames, p: number) =>
      0.299 * data[p * 3]! + 0.587 * data[p * 3 + 1]! + 0.114 * data[p * 3 + 2]!;
    for (let p = 0; p < 32 * 32; p++) assert.ok(Math.abs(luma(gray, p) - luma(photo, p)) < 1.1);
    assert.notDeepEqual(gray.data, photo.data);
    const small = await made(
      'small.png',
      ...['any', ...known('little.png@0'), '--frames', '1', '--size', '32x32'],
    );
    assert.match(small.stderr, /little\.png: is smaller than the result \(16x16, 32x32\), so its/);
    const little = noisy(16, 16);
    assert.ok(Math.abs(mean(small.data) - mean(little.data)) < 8);
  });

  test('says what was cut, cropped and repeated', async () => {
    const { stderr } = await framesOf(...known('long@0..2', 'wide.png@4'));
    assert.match(stderr, /long: is longer than frames 0 to 2; the rest of it is left out/);
    assert.match(stderr, /wide\.png: cropped by \d+% of its width/);
    const open = await framesOf(...known('long@2'));
    assert.match(open.stderr, /long: is longer than frames 2 to 4; the rest of it is left out/);
    assert.equal(open.numFrames, 5);
  });

  test('of a list: files lie beside it, and settings are stored', async () => {
    const rows = [
      { prompt: 'a', known: ['photo.png@0', 'photo.png@-1,mask=hole.png,gray'], frames: 5 },
      { prompt: 'b', known: 'clip@1..3', depth: ['near.png@0', 'near.png@4'] },
      { prompt: 'c', known: 'photo.png@0,keep=0.5', frames: 1 },
    ];
    writeFileSync(at('jobs.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const words = ['any', '--batch', at('jobs.jsonl'), '-o', out('')];
    const got = await generate(...words);
    assert.equal(got.exitCode, 0, got.message + got.stderr);
    const names = readdirSync(out('')).sort();
    assert.deepEqual(
      names.filter((name) => !name.endsWith('.json')),
      ['0001-photo.mp4', '0002-clip.mp4', '0003-photo.png'],
    );
    const settings = JSON.parse(readFileSync(out('0001-photo.mp4.json'), 'utf8'));
    assert.deepEqual(settings.known, [
      { media: at('photo.png'), at: 0 },
      { media: at('photo.png'), at: -1, mask: at('hole.png'), gray: true },
    ]);
    assert.deepEqual(JSON.parse(readFileSync(out('0002-clip.mp4.json'), 'utf8')).depth, [
      { media: at('near.png'), at: 0 },
      { media: at('near.png'), at: 4 },
    ]);
    const again = await generate(...words);
    assert.match(again.stderr, /3 of 3 existed already/);
  });

  test('replaces none of its files', async () => {
    const before = readFileSync(at('photo.png'));
    const got = await generate(
      'any',
      ...known('photo.png@0'),
      '--frames',
      '1',
      '-o',
      at('photo.png'),
    );
    assert.equal(got.exitCode, 2);
    assert.match(got.message, /photo\.png: is the input itself/);
    assert.deepEqual(readFileSync(at('photo.png')), before);
  });

  const near = (place = '') => ['--depth', `${at('near.png')}${place}`];
  const refusals: [name: string, words: () => string[], message: RegExp][] = [
    ['nothing', () => ['-p', 'red'], /^any: needs something that is known; give it with --known/],
    [
      '-i',
      () => ['-i', at('photo.png')],
      /^any: takes no input without a place; give .*photo\.png/,
    ],
    [
      '--mask',
      () => [...known('photo.png@0'), '--mask', at('hole.png')],
      /^any: takes a mask with the part that it belongs to, as in --known FILE@PLACE,mask=FILE$/,
    ],
    [
      '--compat',
      () => [...known('photo.png@0'), '--compat', 'reference'],
      /^any: is not a task of the reference; leave out --compat$/,
    ],
    [
      'a place beyond the end',
      () => known('photo.png@5'),
      /photo\.png: frame 5 lies outside of the result, which has 5 frames \(0 to 4, or -5 to -1\); .*--frames$/,
    ],
    ['a place before the start', () => known('photo.png@-6'), /photo\.png: frame -6 lies outside/],
    ['a run beyond the end', () => known('clip@3..5'), /clip: frame 5 lies outside/],
    [
      'an end before its start',
      () => known('clip@3..1'),
      /clip: ends at frame 1, before it begins at frame 3; give the first frame, then the last$/,
    ],
    [
      'a frame twice',
      () => known('photo.png@1', 'clip@0..2'),
      /clip: frame 1 is known already, from .*photo\.png; each frame can be known once/,
    ],
    [
      'a file twice at one place',
      () => known('clip@0..2', 'clip@2..4'),
      /clip: frame 2 is known already, from another place of it/,
    ],
    [
      'a clip that is too short',
      () => known('clip@0..3'),
      /clip: has 3 frames, and frames 0 to 3 are 4; give a longer clip, or let its place end at 2$/,
    ],
    ['no such file', () => known('none.png@0'), /none\.png: no such file/],
    [
      'a mask without a picture',
      () => ['--known', `@0,mask=${at('hole.png')}`],
      /has no file before its place$/,
    ],
    [
      'a mask of another size',
      () => known(`photo.png@0,mask=${at('large.png')}`),
      /large\.png: a mask must have the size of its input \(32x32\), got 48x32/,
    ],
    [
      'a mask of another length',
      () => known(`clip@0..2,mask=${at('holes-2')}`),
      /holes-2: a mask must have one frame or as many as its input \(3\), got 2/,
    ],
    [
      'a black mask',
      () => known(`photo.png@0,mask=${at('black.png')}`),
      /black\.png: is black all over, so everything is kept; /,
    ],
    [
      'a white mask',
      () => known(`photo.png@0,mask=${at('white.png')}`),
      /white\.png: is white all over, so nothing is kept; /,
    ],
    [
      'depth of another length than its part',
      () => known(`clip@0..2,depth=${at('near.png')}`),
      /near\.png: must have as many frames of depth as frames 0 to 2 of .*clip, 3, got 1/,
    ],
    [
      'depth of another length than its place',
      () => ['--depth', `${at('depth')}@0..5`, '--frames', '9'],
      /depth: must have as many frames of depth as frames 0 to 5, 6, got 5/,
    ],
    [
      'depth of another length than the result',
      () => ['--depth', at('depth'), '--frames', '9'],
      /depth: has 5 frames of depth for a result of 9; say which frames .*--depth FILE@PLACE, or ask for --frames 5$/,
    ],
    [
      'depth twice',
      () => [...near('@0'), ...near('@0..1')],
      /near\.png: frame 0 has depth already, from another place of it; each frame can have depth once/,
    ],
    [
      'depth in colour',
      () => ['--depth', at('coloured')],
      /coloured.*: is in colour; a depth map is gray/,
    ],
    [
      'an unknown word',
      () => known('photo.png@0,grau'),
      /"grau" means nothing; did you mean "gray"/,
    ],
  ];
  for (const [name, words, message] of refusals) {
    test(`refuses ${name}, with one sentence and nothing written`, async () => {
      const got = await generate('any', ...words(), '-o', out('a.mp4'));
      assert.equal(got.exitCode, 2, got.message);
      assert.match(got.message, message);
      assert.doesNotMatch(got.message, /\n|\.$/);
      assert.equal(existsSync(at('out')) ? readdirSync(at('out')).length : 0, 0);
      assert.doesNotMatch(got.stderr, /FLOP/);
    });
  }

  test('belongs to `any` alone', async () => {
    const got = await generate('i2v', '-i', at('photo.png'), ...known('photo.png@0'));
    assert.equal(got.exitCode, 2);
    assert.match(
      got.message,
      /^i2v: takes no parts at places; give its input with -i, or use any$/,
    );
    const still = await generate(
      'any',
      ...known('photo.png@0'),
      '--frames',
      '1',
      '-o',
      out('a.mp4'),
    );
    assert.match(still.message, /a\.mp4: any with --frames 1 makes an image; name a file that/);
    const moving = await generate('any', ...known('photo.png@0'), '-o', out('a.png'));
    assert.match(moving.message, /a\.png: any makes a clip, or an image with --frames 1; name a/);
  });
});
