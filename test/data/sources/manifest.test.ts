import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gatherItems } from '../../../src/data/measure/gather.js';
import { expandBraces } from '../../../src/data/sources/braces.js';
import type { DataItem, Entry } from '../../../src/data/sources/items.js';
import { readEntries, readManifest } from '../../../src/data/sources/manifest.js';
import { InputError } from '../../../src/errors.js';
import { fromRoot } from '../../../src/files/package-root.js';
import { temporaryFolder } from '../../temp-folder.js';

const gecko = fromRoot('examples/media/gecko.jpg');
const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const write = (name: string, text: string) => {
  mkdirSync(join(at(name), '..'), { recursive: true });
  writeFileSync(at(name), text);
  return at(name);
};

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
const short = ({ where, kind, media, prompt }: DataItem) => [where, kind, media.path, prompt];
const problemsOf = (entries: Entry[]) =>
  entries.map((entry) => ('problem' in entry ? entry.problem.message : ''));

test('a pipe as a data set, and one in a folder of pictures, is named at once', {
  skip: process.platform === 'win32' && 'needs mkfifo',
}, async () => {
  mkdirSync(at('pipes'), { recursive: true });
  execFileSync('mkfifo', [at('pipes/a.png'), at('rows.jsonl')]);
  await assert.rejects(
    all(readEntries(at('rows.jsonl'))),
    /rows\.jsonl: is a pipe, but only files/,
  );
  const { skipped } = await gatherItems(await all(readEntries(at('pipes'))), { workers: 1 });
  assert.match(skipped.map(({ reason }) => reason).join(), /is a pipe, but only files can be read/);
});

describe('readManifest', () => {
  test('reads JSONL; files lie beside it', async () => {
    const rows = [
      { video: 'a.mp4', prompt: ' a cat ', motionScore: 2, start: 1.5, frames: 17, fps: 8 },
      { image: '/abs/b.png', target: 'c.png', prompt: 'make it red', watermark: true, mine: 1 },
    ];
    const path = write(
      'set/list.jsonl',
      `\uFEFF${rows.map((r) => JSON.stringify(r)).join('\r\n\r\n')}`,
    );
    const [first, second] = await all(readManifest(path));
    assert.deepEqual(short(first!), [`${path}:1`, 'clip', at('set/a.mp4'), 'a cat']);
    assert.deepEqual(first!.part, { start: 1.5, frames: 17, fps: 8 });
    assert.deepEqual(first!.stated, { motionScore: 2, watermark: false, text: false });
    assert.deepEqual(short(second!), [`${path}:3`, 'image', '/abs/b.png', 'make it red']);
    assert.equal(second!.target!.path, at('set/c.png'));
    assert.equal(second!.stated.watermark, true);
  });

  test('reads CSV with the same columns, in other spellings too', async () => {
    const path = write(
      'set/list.csv',
      'video,prompt,motion_score,watermark\na.mp4,"a, b",1.5,true\nb.mp4,,,\n',
    );
    const [first, second] = await all(readManifest(path));
    assert.deepEqual(short(first!), [`${path}:2`, 'clip', at('set/a.mp4'), 'a, b']);
    assert.deepEqual(first!.stated, { motionScore: 1.5, watermark: true, text: false });
    assert.deepEqual(short(second!), [`${path}:3`, 'clip', at('set/b.mp4'), '']);
  });

  test('reads a folder with captions and masks beside the files, at any depth', async () => {
    for (const name of ['b.mp4', 'sub/a.JPG', 'sub/a_mask.png', '.hidden/c.png', 'note.md']) {
      write(`tree/${name}`, '');
    }
    write('tree/sub/a.txt', 'a caption\n');
    const items = await all(readManifest(at('tree')));
    assert.deepEqual(items.map(short), [
      [at('tree/b.mp4'), 'either', at('tree/b.mp4'), ''],
      [at('tree/sub/a.JPG'), 'either', at('tree/sub/a.JPG'), 'a caption'],
    ]);
    assert.equal(items[1]!.mask!.path, at('tree/sub/a_mask.png'));
  });

  test('reads shards: one, a folder of them, a pattern, members named in a manifest', async () => {
    mkdirSync(at('members'));
    for (const name of ['x.jpg', 'y.jpg', 'y.depth.png'])
      copyFileSync(gecko, at(`members/${name}`));
    write('members/x.txt', 'from text');
    write('members/x.json', '{"motionScore": 0, "sharpness": 9, "numFrames": 1}');
    write('members/y.json', '{"caption": "from json"}');
    write('members/z.cls', '3');
    mkdirSync(at('shards'));
    for (const shard of ['s-00.tar', 's-01.tar']) {
      const files = ['x.jpg', 'x.txt', 'x.json', 'y.jpg', 'y.json', 'y.depth.png', 'z.cls'];
      execFileSync('tar', ['cf', at(`shards/${shard}`), '-C', at('members'), ...files]);
    }
    const one = await all(readManifest(at('shards/s-00.tar')));
    assert.deepEqual(one.map(short), [
      [`${at('shards/s-00.tar')}/x.jpg`, 'image', at('shards/s-00.tar'), 'from text'],
      [`${at('shards/s-00.tar')}/y.jpg`, 'image', at('shards/s-00.tar'), 'from json'],
    ]);
    assert.equal(one[0]!.stated.sharpness, 9);
    assert.equal(one[1]!.depth!.member!.name, 'y.depth.png');
    assert.equal((await all(readManifest(at('shards')))).length, 4);
    assert.equal((await all(readManifest(at('shards/s-{00..01}.tar')))).length, 4);
    const rows = ['s-00.tar/y.jpg', 's-00.tar/none.jpg'].map((image) => JSON.stringify({ image }));
    const named = await all(readEntries(write('shards/rows.jsonl', rows.join('\n'))));
    assert.ok('item' in named[0]! && named[0].item.media.member!.size > 0);
    assert.match(problemsOf(named)[1]!, /s-00\.tar: holds no member "none\.jpg"; check the name/);
    const missing = await all(readEntries(at('shards/s-{01..02}.tar')));
    assert.match(problemsOf(missing)[2]!, /s-02\.tar: no such shard/);
  });

  test('says each mistake in one sentence with its line, and goes on for a check', async () => {
    const lines: [string, RegExp][] = [
      ['{oops}', /:1: must be JSON/],
      ['[1]', /:2: must be an object, e\.g\. \{"video"/],
      ['{"prompt": "a"}', /:3: must name a "video" or an "image", got neither/],
      ['{"image": "a.png", "video": "a.mp4"}', /:4: .*got both/],
      ['{"video": "a.mp4", "promt": "a"}', /:5: unknown key "promt"; did you mean "prompt"\?/],
      ['{"video": 3}', /:6: "video" must be text, got 3/],
      [
        '{"video": "a.mp4", "frames": 1.5}',
        /:7: "frames" must be a whole number above 0, got 1\.5/,
      ],
      ['{"video": "a.mp4", "start": "x"}', /:8: "start" must be a number, 0 or more, got "x"/],
      ['{"video": "a.mp4", "fps": 0}', /:9: "fps" must be a number above 0, got 0/],
      [
        '{"video": "a.mp4", "text": 3}',
        /:10: "text" must be the caption, or true or false .*got 3/,
      ],
    ];
    const good = '{"video": "a.mp4"}';
    const path = write('bad.jsonl', [...lines.map(([line]) => line), good].join('\n'));
    const entries = await all(readEntries(path));
    assert.equal(entries.length, lines.length + 1);
    lines.forEach(([, message], i) => {
      assert.match(problemsOf(entries)[i]!, message);
      assert.ok(problemsOf(entries)[i]!.startsWith(`${path}:${i + 1}: `));
    });
    assert.ok('item' in entries.at(-1)!);
    await assert.rejects(all(readManifest(path)), {
      name: InputError.name,
      message: /:1: must be/,
    });
  });

  test('takes a caption under each of its keys, in lists of all kinds', async () => {
    const rows = [
      { image: 'a.png', caption: 'c' },
      { image: 'b.png', text: 't', caption: '' },
      { image: 'c.png', text: true, prompt: 'p', caption: 'c' },
      { image: 'd.png', title: 'other', description: 'more', id: 7 },
    ];
    const path = write('keys.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'));
    const items = await all(readManifest(path));
    assert.deepEqual(
      items.map(({ prompt }) => prompt),
      ['c', 't', 'p', ''],
    );
    assert.deepEqual(
      items.map(({ stated }) => stated.text),
      [false, false, true, false],
    );
    assert.deepEqual(
      items.map(({ unread }) => unread),
      [...[undefined, undefined, undefined, ['title', 'description']]],
    );
    const csv = write('keys.csv', 'image;caption\na.png;a cat, on a mat\n');
    assert.deepEqual(
      (await all(readManifest(csv))).map(({ prompt }) => prompt),
      ['a cat, on a mat'],
    );
    const other = write('other.jsonl', '{"file_name": "a.png", "text": "a cat"}');
    const [entry] = await all(readEntries(other));
    assert.match(
      problemsOf([entry!])[0]!,
      /must name a "video" or an "image", got neither but "file/,
    );
  });

  test('no caption reaches training with signs for lost characters', async () => {
    const rows = [
      '{"image": "a.png", "prompt": "nul \\u0000"}',
      '{"image": "b.png", "prompt": "ok"}',
    ];
    const bytes = Buffer.from(
      `${rows.join('\n')}\n{"image": "c.png", "prompt": "caf\xe9"}`,
      'latin1',
    );
    mkdirSync(at('lost'));
    writeFileSync(at('lost/list.jsonl'), bytes);
    const problems = problemsOf(await all(readEntries(at('lost/list.jsonl'))));
    assert.match(problems[0]!, /list\.jsonl:1: its caption: holds NUL characters/);
    assert.equal(problems[1], '');
    assert.match(problems[2]!, /list\.jsonl:3: is not text in UTF-8/);
    writeFileSync(at('lost/wide.jsonl'), Buffer.from(`\uFEFF${rows[1]}`, 'utf16le'));
    assert.deepEqual(problemsOf(await all(readEntries(at('lost/wide.jsonl')))), ['']);
  });

  test('refuses what is no list after a thousand wrong rows, and absurd lines', async () => {
    const path = write('prose.jsonl', 'once upon a time\n'.repeat(5000));
    await assert.rejects(all(readEntries(path)), {
      name: InputError.name,
      message:
        /prose\.jsonl: is not a list of pictures or clips: its first 1000 rows are wrong \(the/,
    });
    const long = write('long.jsonl', `${'x'.repeat(2 ** 21)}\n{"image": "a.png"}\n`);
    assert.deepEqual(problemsOf(await all(readEntries(long))), [
      `${long}:1: must have at most 1048576 characters, got more`,
      '',
    ]);
  });

  test('names a data set that is not there, or holds nothing', async () => {
    mkdirSync(at('empty'));
    const cases: [string, RegExp][] = [
      [at('none.jsonl'), /none\.jsonl: no such data set; give a \.jsonl/],
      [at('empty'), /empty: holds no pictures or clips/],
      [write('empty.jsonl', '\n'), /empty\.jsonl: holds no pictures or clips/],
      [write('list.xml', ''), /list\.xml: must be a \.jsonl, a \.csv, a folder or \.tar shards/],
      [write('open.csv', 'video\n"a\n'), /open\.csv:2: a quote is not closed/],
    ];
    for (const [path, message] of cases) {
      await assert.rejects(all(readEntries(path)), { name: InputError.name, message });
    }
  });
});

test('expandBraces keeps the leading zeros', () => {
  assert.deepEqual(expandBraces('s-{008..010}.tar'), ['s-008.tar', 's-009.tar', 's-010.tar']);
  assert.deepEqual(expandBraces('s.tar'), ['s.tar']);
  assert.throws(() => expandBraces('s-{3..1}.tar'), /must count up, got \{3\.\.1\}/);
});
