import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { fromRoot } from '../../../../src/files/package-root.js';
import { ffmpeg, listing, noFfmpeg } from '../../../media/helpers.js';
import { saveTinyDepthModel } from '../../../models/depth-anything/tiny.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { program, mfm as run } from '../../program.js';

const examples = fromRoot('examples/media/');
const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const mfm = (...words: string[]) => run(['data', ...words], { cwd: folder });

/** Clips with something wrong, captioned unless that is what is wrong. */
const ODD: Record<string, () => unknown> = {
  'black.mp4': () => clip('black.mp4', 'color=black:s=64x48'),
  'blurred.png': () =>
    sharp(join(examples, 'elephant.jpg')).rotate(90).blur(4).png().toFile(at('set/blurred.png')),
  'borders.mp4': () => {
    const padded = 'scale=96:80,lutyuv=y=val*0.7+60,pad=96:112:0:16:black';
    ffmpeg('-i', join(examples, 'rabbit.mp4'), '-vf', padded, ...CODEC, at('set/borders.mp4'));
  },
  'copy.jpg': () => sharp(join(examples, 'gecko.jpg')).resize(96).toFile(at('set/copy.jpg')),
  'cut.mp4': () => {
    const inputs = ['flower.mp4', 'rabbit.mp4'].flatMap((name) => ['-i', join(examples, name)]);
    const graph = '[0:v]scale=96:80,setsar=1[a];[1:v]setsar=1[b];[a][b]concat=n=2[o]';
    ffmpeg(...inputs, '-filter_complex', graph, '-map', '[o]', ...CODEC, at('set/cut.mp4'));
  },
  'damaged.mp4': () => {
    const whole = readFileSync(at('set/moving.mp4'));
    writeFileSync(at('set/damaged.mp4'), whole.subarray(0, Math.floor(whole.length * 0.6)));
  },
  'empty.png': () => writeFileSync(at('set/empty.png'), ''),
  'gecko.jpg': () => copyFileSync(join(examples, 'gecko.jpg'), at('set/gecko.jpg')),
  'gray.jpg': () => sharp(join(examples, 'elephant.jpg')).grayscale().toFile(at('set/gray.jpg')),
  'no-caption.png': () =>
    sharp(join(examples, 'elephant.jpg')).flop().toFile(at('set/no-caption.png')),
  'odd.png': () =>
    sharp(join(examples, 'elephant.jpg')).flip().resize(101, 57).toFile(at('set/odd.png')),
  'same.jpg': () => copyFileSync(at('set/gray.jpg'), at('set/same.jpg')),
  'short.mp4': () => clip('short.mp4', 'testsrc=s=64x48', '-frames:v', '5'),
  'sound.mp4': () => ffmpeg('-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', at('set/sound.mp4')),
  'static.mp4': () => {
    const still = ['-loop', '1', '-i', join(examples, 'elephant.jpg'), '-t', '2', '-r', '12'];
    ffmpeg(...still, '-vf', 'vflip,hflip,format=yuv420p', ...CODEC, at('set/static.mp4'));
  },
  'text.mp4': () => writeFileSync(at('set/text.mp4'), 'a text\n'),
};
const CODEC = ['-c:v', 'mpeg4', '-q:v', '2', '-movflags', '+faststart'];
const clip = (name: string, source: string, ...more: string[]) =>
  ffmpeg('-f', 'lavfi', '-i', `${source}:r=12:d=2`, ...more, ...CODEC, at(`set/${name}`));

describe('mfm data check', { skip: noFfmpeg }, () => {
  let stdout: string;
  const said = (name: string) =>
    stdout.split('\n').find((line) => line.includes(`/${name}: `)) ?? 'nothing';

  before(async () => {
    mkdirSync(at('set'));
    clip('moving.mp4', 'testsrc2=s=96x80');
    for (const name of Object.keys(ODD)) await ODD[name]!();
    const captioned = [...Object.keys(ODD), 'moving.mp4'].filter(
      (name) => name !== 'no-caption.png',
    );
    for (const name of captioned) {
      writeFileSync(at(`set/${name.replace(/\.\w+$/, '.txt')}`), `a caption of ${name} in words`);
    }
    const run = mfm('check', 'set', '--json', 'report.json', '--clean', 'set/good.jsonl');
    assert.equal(run.status, 0, run.stderr);
    stdout = run.stdout;
  });

  const verdicts: [string, RegExp][] = [
    ['black.mp4', /static: .*; black borders: all of it is black/],
    ['blurred.png', /blurred: sharpness \d+, below 20/],
    ['borders.mp4', /96x112 25 frames, 3\.1 s; black borders: crop=96:80:0:16 is the picture/],
    ['cut.mp4', /scene cut: at frame 21 \(2\.6 s\)/],
    ['damaged.mp4', /damaged: \d+ of about 24 frames decoded/],
    ['empty.png', /unreadable: the file is empty \(0 bytes\)/],
    ['gecko.jpg', /near duplicate: of set\/copy\.jpg/],
    ['gray.jpg', /: 256x256; ok; for (?!.*icolor)/],
    ['moving.mp4', /: 96x80 24 frames, 2\.0 s; ok; for .*vexd.*vcolor/],
    ['no-caption.png', /: 256x256; no caption; for /],
    ['odd.png', /odd size: not a multiple of 16, at most 96x48 of it is used/],
    ['same.jpg', /; duplicate: of set\/gray\.jpg/],
    ['short.mp4', /too short: 5 frames, at least 17 are needed/],
    ['sound.mp4', /unreadable: holds only sound/],
    ['static.mp4', /static: no part changes by more than/],
    ['text.mp4', /unreadable: holds text, not a picture or a video/],
  ];
  for (const [name, verdict] of verdicts) {
    test(`says of ${name} what is the matter`, () => assert.match(said(name), verdict));
  }

  test('ends with the totals, in JSON too', () => {
    assert.match(stdout, /17 items: 7 clips of 16 s in all, 7 pictures; \d without a problem\n/);
    assert.match(stdout, /\nfound: unreadable 3, .*near duplicate 1/);
    assert.match(stdout, /\nfor tasks: \w+ \d+, /);
    const report = JSON.parse(readFileSync(at('report.json'), 'utf8'));
    assert.equal(report.rows.length, 17);
    assert.equal(report.verdicts.unreadable, 3);
    const cut = report.rows.find(({ file }: { file: string }) => file.endsWith('cut.mp4'));
    assert.deepEqual(cut.cuts, [21]);
    assert.equal(cut.facts.numFrames, 46);
  });

  test('writes a manifest of what is good, which is good', () => {
    const lines = readFileSync(at('set/good.jsonl'), 'utf8').trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line));
    assert.deepEqual(rows.map(({ video, image }) => video ?? image).sort(), [
      ...['copy.jpg', 'gray.jpg', 'moving.mp4', 'odd.png'],
    ]);
    assert.ok(rows.every(({ prompt }) => prompt.startsWith('a caption of')));
    const { status, stdout: again } = mfm('check', 'set/good.jsonl', '--strict');
    assert.equal(status, 0, again);
  });

  test('goes on after broken lines, and --strict leaves with 1', () => {
    const rows = ['{"image": "gecko.jpg", "prompt": "a gecko"}', '{oops', '{"image": "lost.png"}'];
    const pair = '{"image": "gecko.jpg", "target": "odd.png", "prompt": "turn it"}';
    writeFileSync(at('set/list.jsonl'), [...rows, pair, '{"video": "gecko.jpg"}'].join('\n'));
    const { status, stdout: text } = mfm('check', 'set/list.jsonl', '--strict');
    assert.equal(status, 1);
    assert.match(text, /list\.jsonl:1 gecko\.jpg: 192x192; ok; for /);
    assert.match(text, /list\.jsonl:2: unreadable: must be JSON/);
    assert.match(text, /list\.jsonl:3 lost\.png: unreadable: .*no such file/);
    assert.match(
      text,
      /list\.jsonl:4 odd\.png: .*does not fit: .*source of the edit must have the/,
    );
    assert.match(text, /list\.jsonl:5 gecko\.jpg: unreadable: must be a clip, got a picture/);
  });

  test('reads a shard without unpacking it by hand', () => {
    const members = ['moving.mp4', 'moving.txt', 'gecko.jpg', 'empty.png', 'damaged.mp4'];
    execFileSync('tar', ['cf', at('shard-0.tar'), '-C', at('set'), ...members]);
    const { status, stdout: text } = mfm('check', 'shard-{0..0}.tar');
    assert.equal(status, 0);
    assert.match(text, /shard-0\.tar\/moving\.mp4: 96x80 24 frames, 2\.0 s; ok/);
    assert.match(text, /shard-0\.tar\/empty\.png: unreadable: the file is empty/);
    assert.match(text, /shard-0\.tar\/damaged\.mp4: .*damaged: \d+ of about 24/);
  });

  test('leaves with 2 for what is no data set, in one sentence', () => {
    const cases: [string[], RegExp][] = [
      [['check', 'none.jsonl'], /^none\.jsonl: no such data set; give .*\n$/],
      [['check', 'set', 'set'], /^mfm data check: takes one data set, got "set" too\n$/],
      [['chek', 'set'], /^mfm data: action: must be one of check, prepare, got "chek"; did you/],
      [['prepare', 'set'], /^mfm data prepare: --output is missing/],
      [['prepare', 'set', '-o', 'x', '--shard', '3/2'], /--shard must be .* got "3\/2"\n$/],
      [['prepare', 'set', '-o', 'x', '--max-seconds', '3'], /--max-seconds must be at least twice/],
    ];
    for (const [words, sentence] of cases) {
      const { status, stderr } = mfm(...words);
      assert.equal(status, 2, stderr);
      assert.match(stderr, sentence);
    }
    assert.ok(!existsSync(at('x')));
  });

  test('ends at once on Ctrl-C, and writes nothing', async () => {
    const words = ['data', 'check', 'set', '--json', 'stopped.json'];
    const child = spawn(program, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.kill('SIGINT'));
    child.stdout.resume();
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(status, 130, stderr);
    assert.match(stderr, /stopped; nothing was written/);
    assert.ok(!listing(folder).includes('stopped.json'));
  });
});

describe('a folder as people have it', { skip: noFfmpeg }, () => {
  before(async () => {
    mkdirSync(at('odd'));
    const red = sharp({ create: { width: 64, height: 64, channels: 3, background: '#c03020' } });
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    const gray = sharp({ create: { width: 64, height: 64, channels: 3, noise, background: '' } });
    await red.png().toFile(at('odd/a.PNG'));
    await gray.png().toFile(at('odd/b.png'));
    writeFileSync(at('odd/a.TXT'), `${'a red cube on a table '.repeat(20)}`);
    writeFileSync(at('odd/b.txt'), Buffer.from('gr\xe4ulich', 'latin1'));
    for (const name of ['c.NEF', 'd.mp3', 'e.xyz']) writeFileSync(at(`odd/${name}`), 'bytes');
    execFileSync('mkfifo', [at('odd/pipe.mp4')]);
    symlinkSync('.', at('odd/latest'));
  });

  const passed = /^odd: 2 files are passed over: \.mp3 1, \.xyz 1 \(odd\/d\.mp3, odd\/e\.xyz\)$/m;

  test('is told item by item, and what is passed over is counted', () => {
    const { status, stdout } = mfm('check', 'odd', '--json', 'odd.json');
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^odd\/a\.PNG: 64x64; .*long caption: about 169 tokens .* reads only the first 77/m,
    );
    assert.match(stdout, /^odd\/b\.png: unreadable: odd\/b\.txt: is not text in UTF-8/m);
    assert.match(stdout, /^odd\/c\.NEF: unreadable: is a camera's raw file, which is not read/m);
    assert.match(stdout, /^odd\/pipe\.mp4: unreadable: is a pipe, but only files can be read/m);
    assert.match(stdout, passed);
    assert.match(stdout, /^4 items: /m);
    assert.match(stdout, /^no item for .*t2v.*: is an image \(1 of 1 items\)$/m);
    const report = JSON.parse(readFileSync(at('odd.json'), 'utf8'));
    assert.equal(report.notes.length, 1);
    assert.deepEqual(report.missing['1: no picture before an edit'], ['iedit']);
  });

  test('is prepared without what cannot be, and that is said', () => {
    const { status, stdout } = mfm('prepare', 'odd', '-o', 'odd-shards');
    assert.equal(status, 0);
    assert.match(stdout, /^left out: odd\/b\.txt: is not text in UTF-8/m);
    assert.match(stdout, /^left out: odd\/c\.NEF: is a camera's raw file/m);
    assert.match(stdout, /^left out: odd\/pipe\.mp4: is a pipe, but only files can be read/m);
    assert.match(stdout, passed);
    assert.match(stdout, /^4 sources: 1 clips in 1 shards; .* 3 unreadable$/m);
  });
});

describe('mfm data prepare', { skip: noFfmpeg }, () => {
  test('adds the depth that a model tells, and check reads what it wrote', () => {
    const model = at('depth-model');
    saveTinyDepthModel(model);
    mkdirSync(at('films'));
    const source = join(examples, 'rabbit.mp4');
    copyFileSync(source, at('films/rabbit.mp4'));
    writeFileSync(at('films/rabbit.txt'), 'a white china rabbit on a table');
    const run = mfm('prepare', 'films', '-o', 'clips', '--depth-model', model);
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /1 sources: 1 clips in 1 shards; .*\nclips\/manifest\.jsonl\n$/);
    const row = JSON.parse(readFileSync(at('clips/manifest.jsonl'), 'utf8'));
    assert.equal(row.depth, 'shard-000000.tar/000000-0000.depth.mkv');
    const { stdout } = mfm('check', 'clips');
    assert.match(stdout, /000000-0000\.mp4: 96x80 25 frames, 3\.1 s; ok; for .*d2v/);
  });
});
