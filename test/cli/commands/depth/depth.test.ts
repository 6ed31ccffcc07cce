import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { before, describe, test } from 'node:test';
import { args, run } from '../../../../src/cli/commands/depth/depth.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { readDepth, readMedia, writeImage } from '../../../../src/media/index.js';
import { listing, noFfmpeg } from '../../../media/helpers.js';
import { saveTinyDepthModel } from '../../../models/depth-anything/tiny.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { quietly } from '../../quietly.js';
import { noisy, writeFolder } from '../generate/generating.js';

const root = temporaryFolder();
const at = (name: string) => `${root}/${name}`;
const depth = (...words: string[]) => {
  const all = [...words, '--depth-model', at('model'), '--dtype', 'float32'];
  return quietly(() => run(parseArgs('mfm depth', args, all) as never));
};

before(async () => {
  saveTinyDepthModel(at('model'));
  await writeImage(at('photo.png'), noisy(48, 32));
  await writeFolder(at('clip'), noisy(48, 32, 5));
  mkdirSync(at('many'));
  await writeImage(at('many/a.png'), noisy(48, 32));
  await writeImage(at('many/b.jpg'), noisy(40, 24));
  await writeFolder(at('many/c'), noisy(48, 32, 5));
  writeFileSync(at('many/a.txt'), 'a caption');
});

describe('mfm depth', { skip: noFfmpeg }, () => {
  test('a picture becomes a picture, a clip a clip; the path goes to stdout, the rest to stderr', async () => {
    const still = await depth('-i', at('photo.png'), '-o', at('photo-depth.png'));
    assert.deepEqual([still.exitCode, still.stdout], [0, `${at('photo-depth.png')}\n`]);
    assert.match(still.stderr, /^depth 48x32, values from \S+ to \S+, .*model\n$/);
    assert.equal((await readDepth(at('photo-depth.png'))).numFrames, 1);
    for (const name of ['clip.mkv', 'clip-frames', 'clip.safetensors', 'clip.mp4']) {
      const { exitCode, stderr } = await depth('-i', at('clip'), '-o', at(name));
      assert.equal(exitCode, 0, stderr);
      assert.equal((await readDepth(at(name))).numFrames, 5, name);
    }
    const coloured = await depth('-i', at('clip'), '--color', '--frames', '2', '-o', at('c.mkv'));
    assert.equal(coloured.exitCode, 0);
    assert.equal((await readMedia(at('c.mkv'))).numFrames, 2);
    await assert.rejects(readDepth(at('c.mkv')), /false colours of the palette turbo/);
  });

  test('a batch whose results lie in its own folder can be run again', async () => {
    mkdirSync(at('own'));
    copyFileSync(at('photo.png'), at('own/a.png'));
    const words = ['--batch', at('own'), '-o', at('own/results')];
    assert.equal((await depth(...words)).exitCode, 0);
    const again = await depth(...words);
    assert.equal(again.exitCode, 0, again.stderr);
    assert.match(again.stderr, /own\/results: holds the results, so it is not an input\n/);
    assert.match(again.stderr, /1 of 1 existed already/);
    const later = new Date(Date.now() + 10_000);
    utimesSync(at('own/a.png'), later, later); // changed, so its depth is made again
    assert.equal((await depth(...words)).stdout, `${at('own/results/a.png')}\n`);
  });

  test('several inputs go to a folder; run again, only what is missing is made', async () => {
    const words = ['--batch', at('many'), '-i', at('photo.png'), '-o', at('out')];
    const first = await depth(...words);
    assert.equal(first.exitCode, 0, first.stderr);
    const results = ['a.png', 'b.png', 'c.mkv', 'photo.png'];
    assert.deepEqual(
      listing(at('out')),
      results.flatMap((name) => [name, `${name}.json`]),
    );
    const about = JSON.parse(readFileSync(at('out/c.mkv.json'), 'utf8'));
    assert.deepEqual([about.input, about.made.numFrames], [at('many/c'), 5]);
    rmSync(at('out/b.png'));
    const again = await depth(...words);
    assert.equal(again.stdout, `${at('out/b.png')}\n`);
    assert.match(again.stderr, /3 of 4 existed already\n$/);
    const inverted = await depth(...words, '--invert');
    assert.equal(inverted.stdout.trim().split('\n').length, 4, 'other settings, other results');
  });

  test('an input that cannot be read does not stop the others', async () => {
    writeFileSync(at('text.png'), 'no picture, text\n');
    const words = ['-i', at('text.png'), '-i', at('photo.png'), '-o', at('some'), '--ext', 'tif'];
    const { exitCode, stdout, stderr } = await depth(...words);
    assert.deepEqual([exitCode, stdout], [2, `${at('some/photo.tif')}\n`]);
    assert.match(stderr, /^\S*text\.png: holds text, not a picture/m);
  });

  test('refuses in one sentence, and writes nothing', async () => {
    copyFileSync(at('photo.png'), at('same.png'));
    mkdirSync(at('other'));
    copyFileSync(at('photo.png'), at('other/photo.png'));
    const photo = ['-i', at('photo.png')];
    const cases: [string[], RegExp][] = [
      [[], /^mfm depth: needs a picture or a clip; give it with -i FILE$/],
      [['-i', at('none.png')], /none\.png: no such file/],
      [[...photo, '-o', at('x.mov')], /x\.mov: depth is written as \.png/],
      [[...photo, '-o', at('x.mkv')], /x\.mkv: a picture is given, .*; name a \.png/],
      [['-i', at('clip'), '-o', at('x.tif')], /x\.tif: a clip is given, .*; name a \.mkv/],
      [['-i', at('same.png'), '-o', at('same.png')], /same\.png: is the input itself/],
      [['-i', at('clip'), '-o', at('clip')], /clip: holds files already/],
      [['-i', at('clip'), '-o', at('clip/new')], /new: lies in the input .*clip/],
      [[...photo, '-o', at('x.tif'), '--invert'], /x\.tif: holds the values .*leave out --invert/],
      [[...photo, '-o', at('x.png'), '--ext', 'tif'], /^--ext: the name .*x\.png says already/],
      [[...photo, '--ext', 'exr'], /^--ext: depth is written as .*, got "exr"/],
      [[...photo, ...photo, '-o', at('x.png')], /x\.png: several inputs .*--ext png$/],
      [
        [...photo, '-i', at('other/photo.png')],
        /its result would have the name of that of .*photo/,
      ],
      [['--batch', at('photo.png')], /photo\.png: no such folder; --batch names a folder/],
    ];
    const files = listing(root);
    for (const [words, message] of cases) {
      const got = await depth(...words);
      assert.equal(got.exitCode, 2, `${words.join(' ')}: ${got.message}`);
      assert.match(got.message, message);
      assert.equal(got.stdout, '');
    }
    assert.deepEqual(listing(root), files);
    assert.ok(!existsSync('depth-results'));
  });
});
