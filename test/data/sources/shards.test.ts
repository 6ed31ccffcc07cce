import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { expandBraces } from '../../../src/data/sources/braces.js';
import type { Entry } from '../../../src/data/sources/items.js';
import { readEntries } from '../../../src/data/sources/manifest.js';
import { TarWriter } from '../../../src/data/sources/tar.js';
import { InputError } from '../../../src/errors.js';
import { temporaryFolder } from '../../temp-folder.js';

const root = temporaryFolder();
const at = (name: string) => join(root, name);

/** A shard with these members, in this order, a text in each. */
async function shard(name: string, members: [name: string, text: string | Uint8Array][]) {
  const file = await open(at(name), 'w');
  const writer = new TarWriter(file);
  for (const [member, text] of members) await writer.add(member, Buffer.from(text));
  await writer.end();
  await file.close();
  return at(name);
}

async function read(path: string): Promise<{ told: string[]; notes: string[]; entries: Entry[] }> {
  const entries: Entry[] = [];
  const notes: string[] = [];
  const short = (text: string) => text.replaceAll(`${root}/`, '');
  for await (const entry of readEntries(path, { onNote: (note) => notes.push(short(note)) })) {
    entries.push(entry);
  }
  const told = entries.map((entry) =>
    'problem' in entry
      ? short(entry.problem.message)
      : `${entry.item.media.member?.name ?? entry.where} "${entry.item.prompt}"`,
  );
  return { told, notes, entries };
}

const bare = (...names: string[]) => names.map((name): [string, string] => [name, '']);

describe('a shard', () => {
  test('holds samples whose names have dots, each with its own caption', async () => {
    const names = ['plain', 'clip 2.0 (final)', '22.05', '22.06', 'v1.2.final', '2024.05.01-0001'];
    const path = await shard(
      'dots.tar',
      names.flatMap((name): [string, string][] => [
        [`in/${name}.png`, ''],
        [`in/${name}.txt`, `of ${name}`],
      ]),
    );
    const { told, notes } = await read(path);
    assert.deepEqual(
      told,
      names.map((name) => `in/${name}.png "of ${name}"`),
    );
    assert.deepEqual(notes, []);
  });

  test('holds samples whose members have endings of several parts', async () => {
    const members = bare('a.jpg', 'a.seg.png', 'a.mask.png', 'a.depth.exr', 'a.json', 'a.cls');
    const path = await shard('parts.tar', [
      ...members.map(([name]): [string, string] => [name, name === 'a.json' ? '{}' : '']),
      ...[['22.05.png', ''] as [string, string], ['22.05.mask.png', ''] as [string, string]],
    ]);
    const { told, notes, entries } = await read(path);
    assert.deepEqual(told, ['a.jpg ""', '22.05.png ""']);
    const masks = entries.map((entry) => 'item' in entry && entry.item.mask?.member?.name);
    assert.deepEqual(masks, ['a.mask.png', '22.05.mask.png']);
    assert.deepEqual(notes, [
      'parts.tar: 2 files are passed over: .seg.png 1, .cls 1 (parts.tar/a.seg.png, parts.tar/a.cls)',
    ]);
  });

  test('of other kinds names or counts what it holds', async () => {
    const path = await shard('kinds.tar', [
      ...bare('a.BMP', 'b.MPG', 'c.nef', 'c.txt', 'd.mp3', 'd.txt', 'e.png', 'e.jpg', 'f.mp4'),
      ...bare('f.jpg', 'README.md'),
    ]);
    const { told, notes } = await read(path);
    assert.match(told[2]!, /^kinds\.tar\/c\.nef: is a camera's raw file/);
    assert.deepEqual(told.toSpliced(2, 1), ['a.BMP ""', 'b.MPG ""', 'e.png ""', 'f.mp4 ""']);
    assert.deepEqual(notes, [
      'kinds.tar: 3 files are passed over: .mp3 1, .txt 1, .jpg 1 (kinds.tar/d.mp3, kinds.tar/d.txt, kinds.tar/e.jpg)',
    ]);
  });

  test('has captions as its texts and its JSON say them', async () => {
    const json = (value: object) => JSON.stringify(value);
    const path = await shard('json.tar', [
      ...([
        ['a.png', ''],
        ['a.json', json({ caption: 'c', url: 'u' })],
      ] as [string, string][]),
      ...([
        ['b.png', ''],
        ['b.json', json({ text: 't', width: 5 })],
      ] as [string, string][]),
      ...([
        ['c.png', ''],
        ['c.json', json({ prompt: 'p', caption: 'c' })],
      ] as [string, string][]),
      ...([
        ['d.png', ''],
        ['d.json', json({ text: true, title: 't' })],
      ] as [string, string][]),
      ...([
        ['e.png', ''],
        ['e.json', '{"caption": "nul \\u0000"}'],
      ] as [string, string][]),
      ['f.png', ''],
      ['f.txt', Buffer.from('caf\xe9', 'latin1')],
      ...([
        ['g.png', ''],
        ['g.json', '['.repeat(60_000)],
      ] as [string, string][]),
    ]);
    const { told, entries } = await read(path);
    assert.deepEqual(told.slice(0, 4), ['a.png "c"', 'b.png "t"', 'c.png "p"', 'd.png ""']);
    const text = entries[3]!;
    assert.ok('item' in text && text.item.stated.text);
    assert.deepEqual('item' in text && text.item.unread, ['title']);
    assert.match(told[4]!, /^json\.tar\/e: its caption: holds NUL characters/);
    assert.match(told[5]!, /^json\.tar\/f\.txt: is not text in UTF-8/);
    assert.match(told[6]!, /^json\.tar\/g\.json: must be JSON \(it is nested more than 100 levels/);
  });

  test('that was cut off says so, and keeps only what is surely whole', async () => {
    const path = await shard('whole.tar', [
      ...([
        ['a.png', 'x'.repeat(600)],
        ['a.txt', 'of a'],
      ] as [string, string][]),
      ...([
        ['b.png', 'x'.repeat(600)],
        ['b.txt', 'of b'],
      ] as [string, string][]),
    ]);
    const bytes = readFileSync(path);
    const cut = async (length: number) => {
      writeFileSync(at('cut.tar'), bytes.subarray(0, length));
      return read(at('cut.tar'));
    };
    const sentence = (member: string, count: number) =>
      new RegExp(
        `^cut\\.tar: ends too early, in the member at byte \\d+ \\(${member}\\): it was cut off; copy or download it again \\(${count} samples before it are whole\\)$`,
      );
    const inFirst = await cut(700);
    assert.match(inFirst.told[0]!, sentence('a\\.png', 0));
    const inPicture = await cut(3200);
    assert.equal(inPicture.told[0], 'a.png "of a"');
    assert.match(inPicture.told[1]!, sentence('b\\.png', 1));
    // the caption's header is whole, its text is not: b.png alone would lose it
    const inCaption = await cut(4610);
    assert.equal(inCaption.told.length, 2);
    assert.match(inCaption.told[1]!, sentence('b\\.txt', 1));
    const between = await cut(2560);
    assert.deepEqual(between.told, ['a.png "of a"']);
    assert.match(between.notes[0]!, /^cut\.tar: has no end mark, so it may be cut off between/);
    // rows that name whole members go on
    writeFileSync(at('cut.tar'), bytes.subarray(0, 3200));
    writeFileSync(at('rows.jsonl'), '{"image": "cut.tar/a.png"}\n{"image": "cut.tar/b.png"}\n');
    const rows = await read(at('rows.jsonl'));
    assert.equal(rows.told[0], 'a.png ""');
    assert.match(rows.told[1]!, /^cut\.tar: ends too early/);
  });

  test('with links, or written sparsely, says what is missing', async () => {
    mkdirSync(at('linked'));
    writeFileSync(at('linked/a.png'), 'bytes');
    linkSync(at('linked/a.png'), at('linked/b.png'));
    symlinkSync('a.png', at('linked/c.png'));
    execFileSync('tar', ['cf', at('linked.tar'), '-C', at('linked'), 'a.png', 'b.png', 'c.png']);
    const { told, notes } = await read(at('linked.tar'));
    assert.deepEqual(told, ['a.png ""']);
    assert.deepEqual(notes, [
      'linked.tar: 2 files are passed over: a link 2 (linked.tar/b.png, linked.tar/c.png)',
    ]);
    for (const format of ['gnu', 'pax']) {
      execFileSync('truncate', ['-s', '1M', at('linked/hole.png')]);
      const words = ['--sparse', `--format=${format}`, '-cf', at('sparse.tar'), 'hole.png'];
      execFileSync('tar', words, { cwd: at('linked') });
      assert.match((await read(at('sparse.tar'))).told[0]!, /holds a sparse member at byte \d+/);
    }
  });

  test('that is compressed, or several in one file, is refused by name', async () => {
    const path = await shard('one.tar', bare('a.png'));
    const bytes = readFileSync(path);
    writeFileSync(at('two.tar'), Buffer.concat([bytes, bytes]));
    const { told } = await read(at('two.tar'));
    assert.equal(told[0], 'a.png ""');
    assert.match(
      told[1]!,
      /two\.tar: continues after its end mark at byte \d+, like concatenated tars/,
    );
    writeFileSync(at('packed.tar'), gzipSync(bytes));
    assert.match((await read(at('packed.tar'))).told[0]!, /is compressed; unpack it with gunzip/);
    writeFileSync(at('packed.tar.gz'), gzipSync(bytes));
    await assert.rejects(read(at('packed.tar.gz')), {
      name: InputError.name,
      message: /packed\.tar\.gz: is an archive, which is not read; unpack it/,
    });
  });
});

describe('expandBraces', () => {
  test('takes ranges and choices, several in one pattern', () => {
    assert.deepEqual(expandBraces('{a,b}-{08..10}.tar'), [
      ...['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-08.tar', 'b-09.tar', 'b-10.tar'],
    ]);
    assert.deepEqual(expandBraces('a{1}.tar'), ['a{1}.tar']);
  });

  test('refuses more shards than anybody has', () => {
    for (const pattern of [
      's-{0..200000000}.tar',
      '{0..999}{0..999}.tar',
      `{0..${'9'.repeat(40)}}`,
    ]) {
      assert.throws(() => expandBraces(pattern), {
        name: InputError.name,
        message: /must name at most 100000 shards, got .*; give the folder/,
      });
    }
  });
});

test('a pattern with * says that ranges are taken', async () => {
  await assert.rejects(read(at('shard-*.tar')), /\* and \? are not expanded here, give the folder/);
});
