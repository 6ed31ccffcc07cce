import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chart } from '../../src/cli/demo/curves.js';
import { writeLossless } from '../../src/cli/demo/lossless.js';
import { miniWorld } from '../../src/data/miniworld/index.js';
import { type Frames, readVideo } from '../../src/media/index.js';
import { TASK_IDS } from '../../src/tasks/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';

const program = fileURLToPath(new URL('../../mfm', import.meta.url));

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
    spawnSync(
      program,
      ['demo', '--pipeline', pipeline, '--no-training', '--output', join(folder, output)],
      { encoding: 'utf8', cwd: folder },
    );

  test('writes a page whose pictures are all there, for every task', () => {
    const { status, stdout, stderr } = demo('page');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, `${join(folder, 'page', 'index.html')}\n`);
    const page = readFileSync(stdout.trim(), 'utf8');
    const files = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1]!);
    assert.ok(files.length > 60, `${files.length} links`);
    for (const file of files) assert.ok(existsSync(join(folder, 'page', file)), file);
    for (const id of TASK_IDS) {
      assert.ok(page.includes(`<section id="${id}">`), id);
      assert.ok(page.includes(`./mfm generate ${id}`), id);
    }
    assert.ok(!/undefined|NaN/.test(page.replace(/<style>.*<\/style>/s, '')));
  });

  test("leaves a folder alone that holds something else than a demo's page", () => {
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const { status, stderr } = demo('.');
    assert.equal(status, 2);
    assert.match(stderr, /holds something else than a demo; name a new folder\n$/);
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

describe('chart', () => {
  test('draws every curve inside its frame, from one point on', () => {
    const curves = ['a', 'b & c'].map((name, i) => ({
      name,
      points: [
        [0, 3],
        [10, 1 + i],
        [20, 0.5],
      ] as [number, number][],
    }));
    for (const drawn of [curves, [{ name: 'one', points: [[20, 2.8]] as [number, number][] }]]) {
      const svg = chart('loss', drawn, 'steps');
      assert.equal(svg.match(/<polyline/g)!.length, drawn.length);
      for (const [, points] of svg.matchAll(/points="([^"]+)"/g)) {
        for (const point of points!.split(' ')) {
          const [x, y] = point.split(',').map(Number);
          assert.ok(x! >= 0 && x! <= 460 && y! >= 0 && y! <= 230, point);
        }
      }
    }
    assert.match(chart('loss', curves, 'steps'), />b &amp; c</);
  });

  test('is empty without points', () => {
    assert.equal(chart('loss', [{ name: 'a', points: [] }], 'steps'), '');
  });
});
