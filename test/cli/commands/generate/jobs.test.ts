import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { manyJobs, readJobs, resultName } from '../../../../src/cli/commands/generate/jobs.js';
import { args } from '../../../../src/cli/commands/generate/options.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { InputError } from '../../../../src/errors.js';
import { TASKS } from '../../../../src/tasks/index.js';
import { temporaryFolder } from '../../../temp-folder.js';

const root = temporaryFolder();
const write = (name: string, text: string) => {
  writeFileSync(join(root, name), text);
  return join(root, name);
};
const words = (path: string) => readJobs(path).map((row) => row.words);

describe('readJobs', () => {
  test('a pipe is no list', { skip: process.platform === 'win32' && 'needs mkfifo' }, () => {
    execFileSync('mkfifo', [join(root, 'pipe.txt')]);
    assert.throws(() => readJobs(join(root, 'pipe.txt')), /pipe\.txt: is a pipe, but only files/);
  });

  test('a text file has a prompt on every line', () => {
    const path = write('prompts.txt', 'a red cube\n\n  a blue sphere, "left" \r\n');
    assert.deepEqual(words(path), [
      ['--prompt', 'a red cube'],
      ['--prompt', 'a blue sphere, "left"'],
    ]);
    assert.equal(readJobs(path)[1]!.where, `${path}:3`);
  });

  test('JSONL keys are options; files lie beside the list', () => {
    const rows = [
      { prompt: 'a', input: ['a.png', '/abs/b.png'], numFrames: 17, 'guidance-scale': 2 },
      { mask: 'm.png', seed: 3 },
    ];
    const path = write('jobs.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'));
    assert.deepEqual(words(path), [
      [
        ...['--prompt', 'a', '--input', join(root, 'a.png'), '--input', '/abs/b.png'],
        ...['--num-frames', '17', '--guidance-scale', '2'],
      ],
      ['--mask', join(root, 'm.png'), '--seed', '3'],
    ]);
  });

  test('CSV has quotes, empty cells and line ends inside of quotes', () => {
    const path = write('jobs.csv', 'prompt,seed\n"a, ""b""\nc",1\nd,\n');
    assert.deepEqual(words(path), [
      ['--prompt', 'a, "b"\nc', '--seed', '1'],
      ['--prompt', 'd'],
    ]);
    assert.equal(readJobs(path)[1]!.where, `${path}:4`);
  });

  test('a folder gives its files as inputs', () => {
    mkdirSync(join(root, 'photos'));
    for (const name of ['b.png', 'a.jpg', '.hidden']) write(join('photos', name), '');
    const input = (name: string) => ['--input', join(root, 'photos', name)];
    assert.deepEqual(words(join(root, 'photos')), [input('a.jpg'), input('b.png')]);
  });

  test('a folder of results is not an input of the same batch', async () => {
    const folder = join(root, 'resumed');
    mkdirSync(join(folder, 'out', 'isr'), { recursive: true });
    mkdirSync(join(folder, 'clip'));
    write(join('resumed', 'a.png'), '');
    const inputsWith = async (output: string) => {
      const asked = ['isr', '--batch', folder, '-o', join(folder, output)];
      const options = parseArgs('mfm generate', args, asked) as never;
      return (await manyJobs(TASKS.isr, options)).map((job) => job.options.input[0]);
    };
    const at = (name: string) => join(folder, name);
    assert.deepEqual(await inputsWith('out'), [at('a.png'), at('clip')]);
    assert.deepEqual(await inputsWith('out/isr'), [at('a.png'), at('clip')]);
    assert.deepEqual(await inputsWith('new'), [at('a.png'), at('clip'), at('out')]);
    const notes: string[] = [];
    readJobs(folder, { results: at('out'), onNote: (note) => notes.push(note) });
    assert.deepEqual(notes, [`${at('out')}: holds the results, so it is not an input`]);
  });

  test('NAME_mask is the mask of NAME, not an input', () => {
    const folder = join(root, 'pairs');
    mkdirSync(join(folder, 'clip'), { recursive: true });
    mkdirSync(join(folder, 'clip_mask'));
    for (const name of ['a.jpg', 'a_mask.png', 'b.png', 'c.x_mask.png', 'c.x.png']) {
      write(join('pairs', name), '');
    }
    const row = (name: string, mask?: string) => [
      ...['--input', join(folder, name)],
      ...(mask ? ['--mask', join(folder, mask)] : []),
    ];
    assert.deepEqual(words(folder), [
      row('a.jpg', 'a_mask.png'),
      row('b.png'),
      row('c.x.png', 'c.x_mask.png'),
      row('clip', 'clip_mask'),
    ]);
    const bare = readJobs(folder, { masks: false }).map((one) => one.words);
    assert.deepEqual(
      bare,
      ['a.jpg', 'b.png', 'c.x.png', 'clip'].map((name) => row(name)),
    );

    write(join('pairs', 'a_mask.jpg'), '');
    assert.throws(
      () => readJobs(folder),
      /a_mask\.png: is a second mask for a, in addition to a_mask\.jpg/,
    );
    write(join('photos', 'lost_mask.png'), '');
    assert.throws(
      () => readJobs(join(root, 'photos')),
      /lost_mask\.png: has the name of a mask for lost, which does not exist; give both, or rename it/,
    );
  });

  test('the columns and keys of the reference are taken', () => {
    const csv = write('ref.csv', 'prompt,path,mask\n"a, b",a.mp4,m.mp4\nc,b.mp4,\n');
    const at = (name: string) => join(root, name);
    assert.deepEqual(words(csv), [
      ['--prompt', 'a, b', '--input', at('a.mp4'), '--mask', at('m.mp4')],
      ['--prompt', 'c', '--input', at('b.mp4')],
    ]);
    const jsonl = write(
      'ref.jsonl',
      '{"prompt": "a", "image": "a.png;b.png", "mask": null}\n{"prompt": "", "video": "c.mp4"}',
    );
    assert.deepEqual(words(jsonl), [
      ['--prompt', 'a', '--input', at('a.png'), '--input', at('b.png')],
      ['--prompt', '', '--input', at('c.mp4')],
    ]);
  });

  test('a file that is not beside the list is looked for where the program runs', () => {
    const path = write('here.jsonl', '{"input": "package.json"}\n{"input": "jobs.csv"}');
    assert.deepEqual(words(path), [
      ['--input', 'package.json'],
      ['--input', join(root, 'jobs.csv')],
    ]);
  });

  test('a table may have semicolons or tabs, and texts may be UTF-16', () => {
    const semicolons = write('semi.csv', 'prompt;seed\n"a; b";1\n');
    const tabs = join(root, 'tabs.tsv');
    writeFileSync(tabs, Buffer.from('\uFEFFprompt\tseed\na; b\t1\n', 'utf16le'));
    for (const path of [semicolons, tabs]) {
      assert.deepEqual(words(path), [['--prompt', 'a; b', '--seed', '1']]);
    }
  });

  test('texts in a folder of inputs are passed over and counted', () => {
    mkdirSync(join(root, 'mixed'));
    for (const name of ['a.png', 'a.txt', 'notes.md', 'Thumbs.db']) write(join('mixed', name), '');
    symlinkSync('gone.png', join(root, 'mixed', 'b.png'));
    const notes: string[] = [];
    const rows = readJobs(join(root, 'mixed'), { onNote: (note) => notes.push(note) });
    assert.deepEqual(
      rows.map(({ where }) => where),
      ['a.png', 'b.png'].map((name) => join(root, 'mixed', name)),
    );
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /mixed: 3 files are passed over: \.\w+ 1, \.\w+ 1, \.\w+ 1 \(/);
  });

  test('a list that no memory holds is refused before it is read', () => {
    const path = write('huge.txt', 'a prompt');
    truncateSync(path, 2 ** 33);
    assert.throws(() => readJobs(path), {
      name: InputError.name,
      message: /huge\.txt: a list of jobs must have at most 64 MB, got 8192 MB; split it/,
    });
    const lines = write('lines.txt', 'a\n'.repeat(100_001));
    assert.throws(() => readJobs(lines), /must have at most 100000 lines, got 100002; split it/);
  });

  test('says what is wrong and where', () => {
    const cases: [string, string, RegExp][] = [
      ['bad.jsonl', '{"prompt": "a"}\n{oops}', /bad\.jsonl:2: must be JSON/],
      ['list.jsonl', '[1]', /list\.jsonl:1: must be an object/],
      ['short.csv', 'prompt,seed\na\n', /short\.csv:2: must have 2 columns .* got 1/],
      ['open.csv', 'prompt\n"a\n', /open\.csv:2: a quote is not closed/],
      ['odd.jsonl', '{"prompt": {"a": 1}}', /odd\.jsonl:1: "prompt" must be text or a number, got/],
      ['flag.jsonl', '{"prompt": true}', /flag\.jsonl:1: "prompt" must be text or a number/],
      ['unnamed.csv', 'prompt,\na,b\n', /unnamed\.csv:2: "b" is in a column without a name/],
      ['picture.txt', '\x89PNG\0\0', /picture\.txt: is not text in UTF-8/],
      [
        'deep.jsonl',
        `{"a": ${'['.repeat(60_000)}`,
        /deep\.jsonl:1: must be JSON \(it is nested more than 100 lev/,
      ],
      ['jobs.json', '[{"prompt": "a"}]', /jobs\.json: must be JSONL, an object on every line/],
      ['empty.txt', '\n', /empty\.txt: holds no job/],
    ];
    for (const [name, text, message] of cases) {
      assert.throws(() => readJobs(write(name, text)), { name: InputError.name, message });
    }
    assert.throws(() => readJobs(join(root, 'none.txt')), /none\.txt: no such list/);
  });
});

test('resultName tells what a file holds', () => {
  assert.equal(resultName(2, { prompt: 'A red/blue cube!', input: [] }), '0003-a-red-blue-cube');
  assert.equal(resultName(0, { prompt: 'x', input: ['in/My Photo.JPG'] }), '0001-my-photo');
  assert.equal(resultName(0, {}), '0001');
});

test('manyJobs names the line of a part without a place', async () => {
  const list = write('parts.jsonl', '{"known": ["a.png@0"]}\n{"known": ["b.png"]}');
  await assert.rejects(
    manyJobs(TASKS.any, parseArgs('generate', args, ['any', '--batch', list])),
    /parts\.jsonl:2: --known: \S*b\.png: needs a place/,
  );
});
