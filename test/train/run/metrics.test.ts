import assert from 'node:assert/strict';
import { lutimesSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { GONE_AFTER_MS, takeLock } from '../../../src/train/run/lock.js';
import { kindOf, lastOf, readMetrics, smooth } from '../../../src/train/run/metrics.js';
import { summariseRun } from '../../../src/train/run/status.js';
import { temporaryFolder } from '../../temp-folder.js';

const root = temporaryFolder();
let folders = 0;

/** A run's folder with these files. */
function runWith(files: Record<string, string>): string {
  const folder = join(root, `run${folders++}`);
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const START = Date.parse('2026-01-31T18:00:00Z');
const line = (step: number, seconds: number, figures: object, part = 'transformer') =>
  `${JSON.stringify({ part, step, time: new Date(START + seconds * 1000).toISOString(), ...figures })}\n`;
const read = (...lines: string[]) => readMetrics(runWith({ 'metrics.jsonl': lines.join('') }));
const pairs = (metrics: ReturnType<typeof readMetrics>, figure: string, part = 0) =>
  metrics[part]!.figures.get(figure)!.map(({ step, value }) => [step, value]);

describe('readMetrics', () => {
  test('gives a series for each part and figure', () => {
    const metrics = read(
      line(20, 0, { loss: 3 }, 'autoencoder'),
      line(20, 10, { t2v: 2, t2i: 1 }),
      line(40, 20, { t2v: 1.5 }),
      line(40, 25, { 'validation/t2v': 1.6 }),
    );
    assert.deepEqual(
      metrics.map(({ part, step }) => [part, step]),
      [
        ['autoencoder', 20],
        ['transformer', 40],
      ],
    );
    assert.deepEqual(pairs(metrics, 't2v', 1), [
      [20, 2],
      [40, 1.5],
    ]);
    assert.deepEqual(pairs(metrics, 'validation/t2v', 1), [[40, 1.6]]);
    assert.equal(metrics[1]!.timeMs, START + 25_000);
  });

  test('lets the steps after a resume replace the earlier ones, of that part alone', () => {
    const metrics = read(
      line(100, 0, { loss: 9 }, 'autoencoder'),
      ...[20, 40, 60, 80].map((step) => line(step, step, { t2v: step })),
      line(60, 500, { t2v: 6 }),
      line(60, 501, { validation: 7 }),
    );
    assert.deepEqual(pairs(metrics, 't2v', 1), [
      [20, 20],
      [40, 40],
      [60, 6],
    ]);
    assert.deepEqual(pairs(metrics, 'validation', 1), [[60, 7]]);
    assert.deepEqual(pairs(metrics, 'loss'), [[100, 9]]);
  });

  test('passes over torn lines, also one that another stands behind', () => {
    const whole = line(40, 20, { t2v: 2 });
    const metrics = read(line(20, 0, { t2v: 1 }), line(30, 9, { t2v: 9 }).slice(0, 25), whole);
    assert.deepEqual(pairs(metrics, 't2v'), [
      [20, 1],
      [40, 2],
    ]);
    const torn = read(whole, line(60, 30, { t2v: 3 }).slice(0, -5));
    assert.deepEqual(pairs(torn, 't2v'), [[40, 2]]);
    assert.deepEqual(readMetrics(runWith({})), []);
  });

  test('keeps NaN, which JSON writes as null', () => {
    const metrics = read(line(20, 0, { t2v: Number.NaN }), line(40, 1, { t2v: 1 }));
    assert.ok(Number.isNaN(metrics[0]!.figures.get('t2v')![0]!.value), 'is NaN');
  });

  test('counts time without pauses, and samples by their rate', () => {
    const rate = { samplesPerSecond: 4 };
    const night = 8 * 3600;
    const points = read(
      line(20, 0, rate),
      line(40, 10, rate),
      line(60, night, rate), // went on next morning
      line(80, night + 10, rate),
      line(100, night + 20, rate),
    )[0]!.figures.get('samplesPerSecond')!;
    assert.deepEqual(
      points.map(({ seconds, samples }) => [seconds, samples]),
      [
        [0, 0],
        [10, 40],
        [10, 40],
        [20, 80],
        [30, 120],
      ],
    );
  });

  test('takes the counts of the lines themselves where they have them', () => {
    const metrics = read(line(20, 0, { t2v: 1, seconds: 7, samples: 320 }));
    assert.deepEqual(metrics[0]!.figures.get('t2v'), [
      { step: 20, seconds: 7, samples: 320, value: 1 },
    ]);
    assert.deepEqual([...metrics[0]!.figures.keys()], ['t2v']);
  });
});

describe('smooth', () => {
  test('is the weighted mean of all before, and passes over NaN', () => {
    // (1·½ + 4) / 1.5; the NaN is felt by none
    const [first, second, none, last] = smooth([1, 4, Number.NaN, 4], 0.5);
    assert.equal(first, 1);
    assert.equal(second, 3);
    assert.ok(Number.isNaN(none), 'NaN stays');
    assert.ok(Math.abs(last! - (1 * 0.25 + 4 * 0.5 + 4) / 1.75) < 1e-12, `${last}`);
    assert.deepEqual(smooth([3, 1, 2], 0), [3, 1, 2]);
  });

  test('leaves few values as they are for the last one', () => {
    const points = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ step: i, seconds: i, samples: 0, value: i }));
    assert.equal(lastOf('t2v', points(5)), 4);
    const last = lastOf('t2v', points(200))!;
    assert.ok(last > 194.9 && last < 195.1, `four behind: ${last}`);
    assert.equal(lastOf('learningRate', points(200)), 199);
    assert.equal(lastOf('t2v', undefined), null);
  });
});

describe('kindOf', () => {
  for (const [figure, kind] of [
    ['t2v', 'loss'],
    ['band/3', 'loss'],
    ['validation/t2v', 'validation'],
    ['vsrPsnr', 'quality'],
    ['gradNorm', 'state'],
    ['tokensPerSecond', 'state'],
  ] as const) {
    test(`${figure} is of kind ${kind}`, () => assert.equal(kindOf(figure), kind));
  }
});

describe('summariseRun', () => {
  const hourAgo = new Date(Date.now() - 3600_000).toISOString();
  const status = (changes: object) =>
    JSON.stringify({
      state: 'running',
      part: 'transformer',
      step: 40,
      steps: 100,
      pid: process.pid,
      updated: hourAgo,
      host: hostname(),
      ...changes,
    });
  const stateOf = (folder: string) => summariseRun(folder).state;

  test('believes a run whose process trains it, however long its steps and sheets take', () => {
    const folder = runWith({ 'status.json': status({}) });
    const lock = takeLock(folder);
    assert.ok('release' in lock, 'it is free');
    assert.equal(stateOf(folder), 'running');
    lock.release();
    assert.equal(stateOf(folder), 'lost');
    assert.equal(stateOf(runWith({ 'status.json': status({ state: 'stopped' }) })), 'stopped');
  });

  test('calls a run lost whose process has ended, though its number is used again', () => {
    const folder = runWith({ 'status.json': status({ pid: process.ppid }) });
    symlinkSync(`${hostname()}:${process.ppid}:1`, join(folder, '.lock-1'));
    assert.equal(stateOf(folder), 'lost');
  });

  test('believes another machine as long as it gives signs of life', () => {
    const folder = runWith({ 'status.json': status({ host: 'elsewhere' }) });
    const lock = join(folder, '.lock-1');
    symlinkSync('elsewhere:1:1', lock);
    assert.equal(stateOf(folder), 'running');
    const before = new Date(Date.now() - GONE_AFTER_MS);
    lutimesSync(lock, before, before);
    assert.equal(stateOf(folder), 'lost');
  });

  test('says what a run does that has no steps yet', () => {
    const changes = { doing: 'encoding latents', part: '', step: 0, steps: 0 };
    const { doing, step, steps } = summariseRun(runWith({ 'status.json': status(changes) }));
    assert.deepEqual([doing, step, steps], ['encoding latents', null, null]);
  });

  test('knows a run without a status, or with half of one, by its other files', () => {
    const recipe = JSON.stringify({ transformer: { steps: 100 } });
    const metrics = line(20, 0, { t2v: 1, t2i: 3, gradNorm: 9, samplesPerSecond: 5 });
    const folder = runWith({
      'recipe.json': recipe,
      'metrics.jsonl': metrics,
      'status.json': '{"state": "runn',
    });
    const run = summariseRun(folder);
    const { state, step, steps, loss, validation, samplesPerSecond, updatedMs } = run;
    assert.deepEqual([state, step, steps, loss], ['unknown', 20, 100, 2]);
    assert.deepEqual([validation, samplesPerSecond, updatedMs], [null, 5, START]);
    assert.equal(run.sizeBytes, recipe.length + metrics.length + 15);
    mkdirSync(join(folder, 'pipeline'));
    writeFileSync(join(folder, 'pipeline', 'model_index.json'), '{}');
    assert.equal(summariseRun(folder).state, 'finished');
  });
});
