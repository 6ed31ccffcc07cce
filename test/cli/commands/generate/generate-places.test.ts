import assert from 'node:assert/strict';
import { copyFileSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { args, run } from '../../../../src/cli/commands/data/data.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { writeImage } from '../../../../src/media/index.js';
import { quietly } from '../../quietly.js';
import { columns, noisy, workplace, writeFolder } from './generating.js';

const { at, generate } = workplace('places');

before(async () => {
  await writeImage(at('photo.png'), noisy(48, 32));
  await writeImage(at('mask.png'), columns(48, 32, [0, 20]));
  await writeFolder(at('frames'), noisy(48, 32, 3));
  linkSync(at('photo.png'), at('again.png'));
  mkdirSync(at('list'));
  copyFileSync(at('photo.png'), at('list/photo.png'));
});

/** Runs it, which must end with code 2, this sentence, and the input as it was. */
async function refuses(words: string[], pattern: RegExp): Promise<void> {
  const before = readFileSync(at('photo.png'));
  const { exitCode, message, stdout } = await generate(...words);
  assert.deepEqual([exitCode, stdout], [2, ''], message);
  assert.match(message, pattern);
  assert.deepEqual(readFileSync(at('photo.png')), before);
}

describe('mfm generate -o', () => {
  const fill = ['iinp', '-i', at('photo.png'), '--mask', at('mask.png')];

  test('is refused where it is a file that is read', async () => {
    await refuses([...fill, '-o', at('photo.png')], /photo\.png: is the input itself/);
    await refuses([...fill, '-o', at('again.png')], /again\.png: is the input \S+photo\.png/);
    await refuses([...fill, '-o', at('mask.png')], /mask\.png: is the mask itself/);
    const coloured = ['icolor', '-i', at('mask.png'), '--reference', at('photo.png')];
    await refuses([...coloured, '-o', at('photo.png')], /is the reference itself/);
  });

  test('is refused among the files of a folder that is read', async () => {
    await refuses(['isr', '--batch', at('list'), '-o', at('list')], /lies in the list of jobs/);
    const clip = ['vinp', '-i', at('frames'), '--box', '0,0,9,9'];
    await refuses([...clip, '-o', at('frames/o.gif')], /lies in the input \S+frames/);
  });

  test('of a list must replace no input of another row', async () => {
    writeFileSync(at('rows.jsonl'), '{"input": "results/0002-x.png"}\n{"input": "x.png"}\n');
    mkdirSync(at('results'));
    copyFileSync(at('photo.png'), at('x.png'));
    copyFileSync(at('photo.png'), at('results/0002-x.png'));
    await refuses(
      ['isr', '--batch', at('rows.jsonl'), '-o', at('results')],
      /0002-x\.png: is the input itself/,
    );
  });

  test('is refused where it is standard output', async () => {
    await refuses([...fill, '-o', '-'], /^-: results can be written only to files/);
    await refuses(
      [...fill, '-o', '/dev/stdout'],
      /^\/dev\/stdout: results can be written only to files/,
    );
  });
});

test('mfm data check refuses to replace the manifest that it reads', async () => {
  writeFileSync(at('set.jsonl'), '{"image": "photo.png", "prompt": "red"}\n');
  for (const option of ['--clean', '--json']) {
    const words = ['check', at('set.jsonl'), option, at('set.jsonl')];
    const got = await quietly(() => run(parseArgs('mfm data', args, words) as never));
    assert.equal(got.exitCode, 2);
    assert.match(got.message, /set\.jsonl: is the data set itself, which the result would replace/);
  }
});

test('mfm data check refuses to replace the manifest of a folder that it reads', async () => {
  mkdirSync(at('listed'));
  const list = at('listed/manifest.jsonl');
  writeFileSync(list, '{"image": "../photo.png", "prompt": "red", "source": "mine"}\n');
  for (const option of ['--clean', '--json']) {
    const words = ['check', at('listed'), option, list];
    const got = await quietly(() => run(parseArgs('mfm data', args, words) as never));
    assert.equal(got.exitCode, 2);
    assert.match(got.message, /manifest\.jsonl: is its manifest itself, which the result/);
  }
});

test('mfm data check replaces nothing that the data set consists of', async () => {
  writeFileSync(at('photo.txt'), 'red');
  writeFileSync(at('deep.safetensors'), 'depth');
  const row = { image: 'photo.png', prompt: 'red', depth: 'deep.safetensors' };
  writeFileSync(at('deep.jsonl'), `${JSON.stringify(row)}\n`);
  const before = readFileSync(at('photo.png'));
  for (const [words, sentence] of [
    [
      ['--json', at('photo.png')],
      /photo\.png: the report is text; name a file that ends in \.json$/,
    ],
    [['--clean', at('photo.txt')], /photo\.txt: the manifest is text; .* in \.jsonl$/],
    [
      ['--json', at('deep.safetensors')],
      /deep\.safetensors: is .*, which the result would replace/,
    ],
    [['--json', at('a.json'), '--clean', at('a.json')], /is named by --json and --clean; name two/],
    [['--shard-size', '3'], /^mfm data check: takes no --shard-size; leave it out$/],
  ] as const) {
    const all = ['check', at('deep.jsonl'), ...words];
    const got = await quietly(() => run(parseArgs('mfm data', args, all) as never));
    assert.equal(got.exitCode, 2);
    assert.match(got.message, sentence);
  }
  assert.deepEqual(readFileSync(at('photo.png')), before);
  assert.equal(readFileSync(at('photo.txt'), 'utf8'), 'red');
});

test('mfm data prepare refuses to write into the folder that it reads', async () => {
  for (const place of ['frames', 'frames/shards']) {
    const words = ['prepare', at('frames'), '-o', at(place)];
    const got = await quietly(() => run(parseArgs('mfm data', args, words) as never));
    assert.equal(got.exitCode, 2);
    assert.match(got.message, /the data .*whose files are read; name another folder/);
  }
});
