import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DemoCase } from '../../../../src/cli/commands/demo/cases.js';
import { writeLossless } from '../../../../src/cli/commands/demo/lossless.js';
import { type Score, scoreLine, wordsFound } from '../../../../src/cli/commands/demo/score.js';
import { miniWorld } from '../../../../src/data/miniworld/index.js';
import { type Frames, readVideo } from '../../../../src/media/index.js';
import { TASK_IDS } from '../../../../src/tasks/index.js';
import { saveTinyPipeline } from '../../../eval/tiny-pipeline.js';
import { mfm } from '../../program.js';

describe('mfm demo', () => {
  let folder: string;
  let pipeline: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-demo-'));
    pipeline = join(folder, 'tiny');
    saveTinyPipeline(pipeline);
  });
  after(() => rmSync(folder, { recursive: true }));

  const demo = (output: string) =>
    mfm(['demo', '--pipeline', pipeline, '--no-training', '--output', join(folder, output)], {
      cwd: folder,
    });

  test('writes a page whose pictures are all there, for every task', () => {
    const { status, stdout, stderr } = demo('page');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, `${join(folder, 'page', 'index.html')}\n`);
    const page = readFileSync(stdout.trim(), 'utf8');
    const files = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1]!);
    assert.ok(files.length > 60, `${files.length} links`);
    for (const file of files) assert.ok(existsSync(join(folder, 'page', file)), file);
    assert.ok(page.includes('<section id="photos">'));
    for (const id of TASK_IDS) {
      assert.ok(page.includes(`<section id="${id}">`), id);
      assert.ok(page.includes(`./mfm generate ${id}`), id);
    }
    assert.ok(page.includes(`<h1>One small model, ${TASK_IDS.length} tasks</h1>`));
    const scores = [...page.matchAll(/<p class="score">(.*?)<\/p>/g)].map((match) => match[1]!);
    assert.equal(scores.length, TASK_IDS.length + 1); // and the photos'
    for (const score of scores) assert.match(score, /^(Better|Not better) than .*\d/);
    // what is known of a mixture lies beside the page, in whole frames or with a mask
    assert.match(page, /--known &quot;[^ ]*any-keys-depth-1-known1\.png@0&quot; /);
    assert.match(page, /known2\.mkv@1\.\.\d+,mask=/);
    // of a picture that begins a clip, or ends it, there is no clip with nothing in it
    for (const name of ['i2v-1-given.png', 'itrans-1-given-end.png']) {
      assert.ok(files.includes(`pictures/${name}`), name);
    }
    assert.ok(files.includes('pictures/vexd-1-given.mp4'));
    assert.ok(!/undefined|NaN/.test(page.replace(/<style>.*<\/style>/s, '')));
  });

  test("leaves a folder alone that holds something other than a demo's page", () => {
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const { status, stderr } = demo('.');
    assert.equal(status, 2);
    assert.match(stderr, /holds something other than a demo; name a new folder\n$/);
  });
});

describe('scoreLine', () => {
  const score = (decibels: number, others: [string, number][]): Score => ({
    decibels,
    others: new Map(others),
  });

  test('compares each result with the best that it has without a model, and counts', () => {
    const scores = [
      score(30, [
        ['mean fill', 20],
        ['harmonic', 31],
      ]),
      score(26, [
        ['mean fill', 24],
        ['harmonic', 23],
      ]),
      null,
    ];
    assert.equal(
      scoreLine([], scores),
      'Better than the best of what needs no model (harmonic or mean fill): 28.0 dB against 27.5 dB on average, better in 1 of 2.',
    );
    const worse = scoreLine([], [score(20, [['bicubic', 21]])]);
    assert.match(worse, /^Not better than .*\(bicubic\): 20.0 dB against 21.0 dB .*0 of 1\.$/);
  });

  test('says nothing without a true picture', () => {
    assert.equal(scoreLine([], [null, null]), '');
  });

  test('compares words with what the true picture of another caption has of them', () => {
    const size = { width: 64, height: 64, numFrames: 1 };
    const cases = [1, 2].map((seed): DemoCase => {
      const { scene, frames } = miniWorld(seed, size);
      const base = {
        id: 't2i-1',
        task: 't2i',
        section: 't2i',
        origin: '',
        prompt: '',
        seed,
      } as const;
      return { ...base, inputs: [], depth: [], scene, reference: { ...size, data: frames } };
    });
    const words = cases.map(({ scene, reference }) => wordsFound(scene!, reference!));
    const line = scoreLine(
      cases,
      words.map((one) => ({ words: one })),
    );
    const named = words[0]!.named + words[1]!.named;
    assert.match(line, new RegExp(`^Better than chance: ${named} of ${named} colours, `));
  });
});

test('writeLossless gives every byte back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mfm-lossless-'));
  try {
    const size = { width: 31, height: 22, numFrames: 5 };
    const clip: Frames = { ...size, data: miniWorld(1, size).frames };
    await writeLossless(join(folder, 'clip.mkv'), clip, 8);
    const { data, numFrames, fps } = await readVideo(join(folder, 'clip.mkv'));
    assert.deepEqual({ numFrames, fps }, { numFrames: 5, fps: 8 });
    assert.deepEqual(data, clip.data);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
