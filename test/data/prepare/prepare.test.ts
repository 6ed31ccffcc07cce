import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type PrepareSettings, prepare } from '../../../src/data/prepare/prepare.js';
import type { Entry } from '../../../src/data/sources/items.js';
import { readEntries, readManifest } from '../../../src/data/sources/manifest.js';
import { InputError } from '../../../src/errors.js';
import { fromRoot } from '../../../src/files/package-root.js';
import { readVideo } from '../../../src/media/codecs/video.js';
import { readDepth } from '../../../src/media/depth/depth.js';
import { grayOf } from '../../../src/media/frames.js';
import { program } from '../../cli/program.js';
import { ffmpeg, listing, noFfmpeg } from '../../media/helpers.js';
import { temporaryFolder } from '../../temp-folder.js';

const examples = fromRoot('examples/media/');
const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const SETTINGS: PrepareSettings = {
  minSeconds: 2,
  maxSeconds: 20,
  fps: null,
  size: null,
  shard: { index: 1, count: 1 },
  shardSize: 2,
  depthModel: null,
};

async function entriesOf(path: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of readEntries(path)) entries.push(entry);
  return entries;
}

/** The results of a preparation and the hash of each. */
function results(path: string): Record<string, string> {
  const names = listing(path).filter((name) => !name.startsWith('.'));
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(path, name)))
        .digest('hex'),
    ]),
  );
}

/** `flower` and `rabbit` in turn, 128x96, 8 frames a second: 21 + 25 + 21 frames. */
function makeFilm(path: string): void {
  const [flower, rabbit] = ['flower.mp4', 'rabbit.mp4'].map((name) => join(examples, name));
  const scaled = (i: number) => `[${i}:v]scale=128:96,setsar=1,fps=8[v${i}];`;
  const graph = `${[0, 1, 2].map(scaled).join('')}[v0][v1][v2]concat=n=3[o]`;
  const inputs = ['-i', flower!, '-i', rabbit!, '-i', flower!];
  ffmpeg(...inputs, '-filter_complex', graph, '-map', '[o]', '-c:v', 'mpeg4', '-q:v', '2', path);
}

describe('prepare', { skip: noFfmpeg }, () => {
  before(async () => {
    mkdirSync(at('in'));
    makeFilm(at('in/film.mp4'));
    writeFileSync(at('in/film.txt'), 'a film');
    copyFileSync(join(examples, 'gecko.jpg'), at('in/gecko.jpg'));
    writeFileSync(at('in/none.mp4'), '');
    copyFileSync(join(examples, 'rabbit.mp4'), at('in/rabbit.mp4'));
    copyFileSync(join(examples, 'rabbit-mask.mp4'), at('in/rabbit_mask.mp4'));
    ffmpeg('-i', at('in/rabbit.mp4'), '-frames:v', '9', '-c:v', 'mpeg4', at('in/short.mp4'));
    await prepare(await entriesOf(at('in')), at('out'), SETTINGS);
  });

  test('cuts at the scenes, drops copies and short ones, and says what it left out', async () => {
    const { items, shards } = await prepare(await entriesOf(at('in')), at('out'), SETTINGS);
    const told = items.map(({ where, clips, tooShort, problems, duplicates }) => [
      where.split('/').at(-1),
      clips.map(({ row }) => row.numFrames),
      ...[tooShort, problems.length, duplicates],
    ]);
    assert.deepEqual(told, [
      // the third scene is the first one again
      ['film.mp4', [21, 25], 0, 0, ['000000-0002 of 000000-0000']],
      ['gecko.jpg', [1], 0, 0, []],
      ['none.mp4', [], 0, 1, []],
      ['rabbit.mp4', [25], 0, 0, []],
      ['short.mp4', [], 1, 0, []],
    ]);
    assert.deepEqual(shards, ['shard-000000.tar', 'shard-000001.tar']);
    assert.deepEqual(listing(at('out')), ['.prepare.jsonl', 'manifest.jsonl', ...shards]);
  });

  test('writes shards and a manifest that say the same', async () => {
    const members = execFileSync('tar', ['tf', at('out/shard-000001.tar')], { encoding: 'utf8' });
    assert.deepEqual(members.trim().split('\n'), [
      ...['000001-0000.jpg', '000001-0000.json'],
      ...['000003-0000.mp4', '000003-0000.mask.mp4', '000003-0000.json'],
    ]);
    const told = async (path: string) => {
      const rows = [];
      for await (const { kind, media, mask, prompt, stated } of readManifest(path)) {
        const { member } = media;
        rows.push([kind, member!.name, mask?.member?.name, prompt, stated.motionScore]);
      }
      return rows;
    };
    const rows = await told(at('out/manifest.jsonl'));
    assert.deepEqual(
      rows.map((row) => row.slice(0, 4)),
      [
        ['clip', '000000-0000.mp4', undefined, 'a film'],
        ['clip', '000000-0001.mp4', undefined, 'a film'],
        ['image', '000001-0000.jpg', undefined, ''],
        ['clip', '000003-0000.mp4', '000003-0000.mask.mp4', ''],
      ],
    );
    assert.deepEqual(await told(at('out/shard-{000000..000001}.tar')), rows);
    assert.ok((rows[1]![4] as number) > (rows[0]![4] as number), 'the rabbit moves more');
  });

  test('gives the frames of the film, each once', async () => {
    execFileSync('tar', ['xf', at('out/shard-000000.tar'), '-C', folder]);
    const film = await readVideo(at('in/film.mp4'));
    for (const [name, first] of [
      ['000000-0000.mp4', 0],
      ['000000-0001.mp4', 21],
    ] as const) {
      const clip = await readVideo(at(name));
      const size = clip.width * clip.height * 3;
      for (let i = 0; i < clip.numFrames; i++) {
        const nearest = [-1, 0, 1].map((by) => {
          let sum = 0;
          for (let k = 0; k < size; k += 7) {
            const other = film.data[(first + i + by) * size + k] ?? 255;
            sum += Math.abs(clip.data[i * size + k]! - other);
          }
          return sum;
        });
        assert.equal(nearest.indexOf(Math.min(...nearest)), 1, `${name}, frame ${i}`);
      }
    }
  });

  test('splits evenly, resamples and reduces', async () => {
    const entries = (await entriesOf(at('in'))).slice(0, 1);
    const settings = { ...SETTINGS, minSeconds: 1, maxSeconds: 2, fps: 4 };
    const { items } = await prepare(entries, at('small'), {
      ...settings,
      size: { width: 64, height: 48 },
    });
    const rows = items[0]!.clips.map(({ row }) => row);
    // 2.6 s and 3.1 s at 4 a second: two parts each
    for (const { width, height } of rows) assert.deepEqual([width, height], [64, 48]);
    const lengths = rows.map(({ numFrames }) => numFrames as number);
    assert.ok(lengths.length >= 4 && lengths.every((n) => n >= 5 && n <= 8), `${lengths}`);
  });

  test('adds depth that readDepth reads, as far apart as it was', async () => {
    // brightness stands for depth
    const estimate = ({ data }: { data: Uint8Array }) =>
      Float32Array.from({ length: data.length / 3 }, (_, i) =>
        grayOf(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!),
      );
    const entries = (await entriesOf(at('in'))).slice(0, 2);
    await prepare(entries, at('deep'), { ...SETTINGS, depthModel: 'bright' }, { estimate });
    mkdirSync(at('deep/all'));
    for (const shard of ['shard-000000.tar', 'shard-000001.tar']) {
      execFileSync('tar', ['xf', at(`deep/${shard}`), '-C', at('deep/all')]);
    }
    const clip = await readVideo(at('deep/all/000000-0000.mp4'));
    const depth = await readDepth(at('deep/all/000000-0000.depth.mkv'));
    assert.deepEqual([depth.width, depth.height, depth.numFrames], [128, 96, 21]);
    const expected = estimate(clip);
    const sorted = expected.toSorted();
    const [least, most] = [sorted[0]!, sorted.at(-1)!];
    for (let i = 0; i < expected.length; i += 13) {
      const want = (10 * (expected[i]! - least)) / (most - least);
      assert.ok(Math.abs(depth.data[i]! - want) < 0.03, `${i}: ${depth.data[i]} for ${want}`);
    }
    const still = await readDepth(at('deep/all/000001-0000.depth.png'));
    assert.deepEqual([still.width, still.numFrames], [192, 1]);
    const found: (string | undefined)[] = [];
    for await (const item of readManifest(at('deep'))) found.push(item.depth?.member?.name);
    const [a, b, c] = ['000000-0000.depth.mkv', '000000-0001.depth.mkv', '000001-0000.depth.png'];
    assert.deepEqual(found, [a, b, c]);
  });

  test('of n machines each does its part, and all is done once', async () => {
    const entries = await entriesOf(at('in'));
    const sources: string[] = [];
    for (const index of [1, 2, 3]) {
      const settings = { ...SETTINGS, shard: { index, count: 3 } };
      const { items } = await prepare(entries, at('shared'), settings);
      sources.push(...items.map(({ where }) => where));
    }
    assert.deepEqual(sources.sort(), entries.map(({ where }) => where).sort());
    assert.deepEqual(
      listing(at('shared')).filter((name) => name.endsWith('.tar')),
      ['shard-1of3-000000.tar', 'shard-1of3-000001.tar', 'shard-2of3-000000.tar'],
    );
    const keys = [];
    for await (const { media } of readManifest(at('shared'))) keys.push(media.member!.name);
    assert.deepEqual(keys.sort(), [
      ...['000000-0000.mp4', '000000-0001.mp4', '000001-0000.jpg', '000003-0000.mp4'],
    ]);
  });

  test('goes on after a kill at any moment, to the same result', async () => {
    const words = ['data', 'prepare', at('in'), '-o', at('killed'), '--shard-size', '2'];
    let kills = 0;
    for (let delay = 200; ; delay *= 1.4) {
      const child = spawn(program, words, { stdio: 'ignore' });
      const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
      const first = await Promise.race([ended, setTimeout(delay, 'late' as const)]);
      if (first === 0) break;
      child.kill('SIGKILL');
      await ended;
      kills++;
    }
    assert.ok(kills > 0, 'was done before the first kill');
    assert.deepEqual(results(at('killed')), results(at('out')));
  });

  test('goes on where the journal ends, even in the middle of a line or before a shard', async () => {
    const entries = await entriesOf(at('in'));
    await prepare(entries, at('cut'), SETTINGS);
    const whole = results(at('cut'));
    // as if it had been killed while it wrote the line of gecko.jpg
    const journal = at('cut/.prepare.jsonl');
    const lines = readFileSync(journal, 'utf8').split('\n');
    truncateSync(journal, `${lines.slice(0, 2).join('\n')}\n`.length);
    appendFileSync(journal, lines[2]!.slice(0, 20));
    writeFileSync(at('cut/.shard-000001.tar.0a0b.tmp'), 'half');
    await prepare(entries, at('cut'), SETTINGS);
    assert.deepEqual(results(at('cut')), whole);
    assert.equal(readFileSync(journal, 'utf8'), lines.join('\n'));
    assert.ok(!existsSync(at('cut/.shard-000001.tar.0a0b.tmp')));
  });

  test('refuses to go on with other settings or sources, and foreign folders', async () => {
    const entries = await entriesOf(at('in'));
    const refuses = (message: RegExp, folderName: string, ...args: [Entry[], PrepareSettings]) =>
      assert.rejects(prepare(args[0], at(folderName), args[1]), { name: InputError.name, message });
    await refuses(/begun with other settings \(fps\); give the same/, 'out', entries, {
      ...SETTINGS,
      fps: 4,
    });
    await refuses(/other settings \(sources\)/, 'out', entries.slice(1), SETTINGS);
    await refuses(/other settings \(sources\)/, 'out', entries.toReversed(), SETTINGS);
    mkdirSync(at('foreign'));
    writeFileSync(at('foreign/shard-000000.tar'), '');
    await refuses(/shard-000000\.tar: is there already/, 'foreign', entries, SETTINGS);
    mkdirSync(at('own'));
    writeFileSync(at('own/manifest.jsonl'), 'captions');
    await refuses(/manifest\.jsonl: is there already/, 'own', entries, SETTINGS);
    assert.deepEqual(readdirSync(at('own')), ['manifest.jsonl']);
    const corrected = entries.map((entry) =>
      'item' in entry ? { ...entry, item: { ...entry.item, prompt: 'another caption' } } : entry,
    );
    await refuses(/other settings \(sources\)/, 'out', corrected, SETTINGS);
  });

  test('is done by one process at a time', async () => {
    const entries = await entriesOf(at('in'));
    const first = prepare(entries, at('twice'), SETTINGS);
    await assert.rejects(prepare(entries, at('twice'), SETTINGS), {
      name: InputError.name,
      message: /twice: is being prepared by process \d+ of .*; wait for it or stop it/,
    });
    await first;
    assert.deepEqual(results(at('twice')), results(at('out')));
  });

  test('stops when it is aborted, and records nothing wrong of what it was at', async () => {
    const controller = new AbortController();
    const entries = await entriesOf(at('in'));
    const working = prepare(entries, at('aborted'), SETTINGS, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await assert.rejects(working, { name: 'AbortError' });
    await prepare(entries, at('aborted'), SETTINGS);
    assert.deepEqual(results(at('aborted')), results(at('out')));
    assert.ok(readdirSync(at('aborted')).includes('manifest.jsonl'));
  });
});
