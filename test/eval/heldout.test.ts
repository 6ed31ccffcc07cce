import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { evaluateHeldOut, type HeldOutReport, SCORED_TASKS } from '../../src/eval/heldout.js';
import { heldOutTrial, sampleTrials, targetOf } from '../../src/eval/scenes.js';
import { drawContactSheet } from '../../src/media/index.js';
import { openPipeline, type Pipeline } from '../../src/pipeline/index.js';
import { TASKS } from '../../src/tasks/index.js';
import { memoryInfo } from '../../src/tensor/index.js';
import { saveTinyPipeline } from './tiny-pipeline.js';

describe('evaluateHeldOut', () => {
  let folder: string;
  let pipeline: Pipeline;
  let report: HeldOutReport;
  const seen: [number, number, string][] = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-heldout-'));
    saveTinyPipeline(join(folder, 'tiny'));
    pipeline = openPipeline(join(folder, 'tiny'), { dtype: 'float32' });
    report = await evaluateHeldOut(pipeline, {
      scenes: 3,
      batchSize: 2,
      seed: 5,
      onProgress: (...progress) => seen.push(progress),
    });
  });
  after(() => {
    pipeline.dispose();
    rmSync(folder, { recursive: true });
  });

  test('gives every part its figures, all finite, and a sheet', () => {
    const parts = ['autoencoder', ...SCORED_TASKS];
    assert.deepEqual(new Set(report.figures.map(({ part }) => part)), new Set(parts));
    assert.deepEqual(
      report.sheets.map(({ part }) => part),
      parts,
    );
    for (const { part, name, value, baselines } of report.figures) {
      for (const number of [value, ...Object.values(baselines)]) {
        assert.ok(Number.isFinite(number), `${part} ${name}: ${number}`);
      }
    }
    for (const { rows, columns } of report.sheets) {
      assert.equal(rows.length, 3);
      assert.equal(rows[0]!.images.length, columns.length);
      assert.ok(drawContactSheet(rows, { columns }).width > 0);
    }
    assert.deepEqual(seen.at(-1), [30, 30, 'voutp']);
  });

  test('finds random networks worse than what needs no model', () => {
    const vsr = report.figures.find(({ part }) => part === 'vsr')!;
    assert.equal(vsr.aim!.reached, false);
    assert.ok(vsr.value < vsr.baselines.bicubic!);
  });

  test('gives the same trial the same result in another batch', async () => {
    const target = targetOf(TASKS.vinp, pipeline.settings);
    const trials = [0, 1, 2].map((index) => heldOutTrial(TASKS.vinp, index, target));
    const results = async (batchSize: number) => {
      const made = await sampleTrials(pipeline, TASKS.vinp, trials, { batchSize, seed: 5 });
      return made.map(({ result }) => result.data);
    };
    const [alone, together] = [await results(1), await results(3)];
    alone.forEach((data, i) => {
      // float32 sums in another order move a value over a rounding edge now and then
      assert.ok(data.every((value, j) => Math.abs(value - together[i]![j]!) <= 1));
    });
  });

  test('keeps no tensor', async () => {
    const trials = [heldOutTrial(TASKS.i2v, 0, targetOf(TASKS.i2v, pipeline.settings))];
    const before = memoryInfo();
    await sampleTrials(pipeline, TASKS.i2v, trials, { batchSize: 1, seed: 0 });
    assert.deepEqual(memoryInfo().tensors, before.tensors);
  });
});
