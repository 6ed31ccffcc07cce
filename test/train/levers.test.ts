/** All methods together that make training learn more from a sample, in whole runs. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openPipeline } from '../../src/pipeline/index.js';
import { openSafetensors, setThreads } from '../../src/tensor/index.js';
import type { Reporter } from '../../src/train/loop/reporter.js';
import { Recipe, type RecipeInput } from '../../src/train/recipe/config.js';
import { Run } from '../../src/train/run/run.js';
import { trainParts } from '../../src/train/train-parts.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from './tiny-parts.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-levers-'));
after(() => rmSync(root, { recursive: true, force: true }));

const recipeWith = (transformer: Partial<RecipeInput['transformer']> = {}) =>
  Recipe.parse({
    name: 'levers',
    dtype: 'float32',
    data: [{ miniworld: { clips: 4, images: 4 } }],
    validationSamples: 2,
    autoencoder: { ...TINY_AUTOENCODER, steps: 1, batches: [{ numFrames: 5, batchSize: 1 }] },
    textEncoder: TINY_TEXT_ENCODER,
    transformer: {
      ...TINY_TRANSFORMER,
      width: 32,
      height: 32,
      numLayers: 3,
      tokensPerBatch: 32,
      tokensPerMicroBatch: 16,
      logEverySteps: 1,
      validateEverySteps: 2,
      sampleEverySteps: 1000,
      tasks: { t2i: 1, i2v: 1, vinp: 1 },
      imageShare: [0.5, 0.5],
      steps: 8,
      ...transformer,
    },
    pipeline: { guidanceScale: 1, fps: 8 },
  } satisfies RecipeInput);

const recipe = recipeWith({
  tokenRouting: { share: 0.5 },
  alignment: { weight: 0.5 },
  timestepShift: { default: 2, i2v: 1.5 },
  contrast: 0.05,
  balance: 4,
  decayShare: 0.25,
  finalLearningRate: 0.1,
  warmupSteps: 0,
  learningRateWidth: 32,
  optimizer: { name: 'muon' },
});

const reporter = (onUpdate: (step: number) => void = () => {}): Reporter => {
  const parts: string[] = []; // the innermost last
  return {
    start: (name) => void parts.push(name),
    update: (done) => parts.at(-1) === 'transformer' && onUpdate(done),
    log: () => {},
    end: () => void parts.pop(),
  };
};

async function trainUntil(run: Run, its: Recipe, stopAt = Infinity): Promise<boolean> {
  const controller = new AbortController();
  const report = reporter((step) => step === stopAt && controller.abort());
  return trainParts({ run, recipe: its, report, signal: controller.signal, workers: 1 });
}

const checkpointOf = (run: Run) => {
  const names = readdirSync(run.path('checkpoints')).filter((name) => /^transformer-/.test(name));
  return run.path('checkpoints', names.sort().at(-1)!);
};
const rows = (run: Run) =>
  readFileSync(run.path('metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number | string>)
    .filter(({ part }) => part === 'transformer');
/** What does not depend on the clock. */
const losses = (run: Run) =>
  rows(run).map((row) =>
    Object.entries(row).filter(([key]) => /loss|alignment|validation/.test(key)),
  );

describe('a run with all of them', () => {
  let whole: Run;
  before(async () => {
    setThreads(1); // sums in one order
    whole = Run.open(join(root, 'whole'), recipe);
    assert.equal(await trainUntil(whole, recipe), true);
  });

  test('stopped and resumed equals uninterrupted, bit for bit', async () => {
    // the third step is between a validation and the first batch that follows it
    for (const stop of [3, Infinity]) {
      const run = Run.open(join(root, 'stopped'), recipe, { resume: true });
      assert.equal(await trainUntil(run, recipe, stop), stop === Infinity);
    }
    const run = Run.open(join(root, 'stopped'), recipe, { resume: true });
    for (const name of ['weights', 'ema', 'optimizer']) {
      const [own, other] = [run, whole].map((one) =>
        readFileSync(join(checkpointOf(one), `${name}.safetensors`)),
      );
      assert.ok(own!.equals(other!), name);
    }
    assert.deepEqual(losses(run), losses(whole));
    run.close();
  });

  test('says losses of velocity and alignment, and rates that fall at the end', () => {
    const steps = rows(whole).filter(({ learningRate }) => learningRate !== undefined);
    for (const row of steps) assert.ok(Number(row.loss) > 0 && Number(row.alignment) > 0);
    const rates = steps.map(({ learningRate }) => Number(learningRate));
    assert.deepEqual(rates.slice(0, 7), Array(7).fill(1e-3));
    assert.ok(rates[7]! < 1e-3);
  });

  test('weights of tasks have followed validation', () => {
    const state = JSON.parse(readFileSync(join(checkpointOf(whole), 'state.json'), 'utf8'));
    const { first, factors } = state.memory;
    assert.deepEqual(Object.keys(first).sort(), ['i2v', 't2i', 'vinp']);
    assert.ok(factors.at(-1).byTask.t2i !== 1);
  });

  test('keeps what aligns a block in checkpoints, and out of the pipeline', () => {
    const weights = openSafetensors(join(checkpointOf(whole), 'weights.safetensors'));
    assert.equal(weights.keys().filter((key) => key.startsWith('alignment.')).length, 6);
    weights.close();
    openPipeline(whole.path('pipeline')).dispose(); // refuses weights that it does not know
  });

  test('what scenes show is the same from the cache as when it is drawn', async () => {
    const scenes = recipeWith({ steps: 4, alignment: { weight: 0.5, to: 'scene' } });
    const cacheFolder = join(root, 'cache');
    const all: unknown[] = [];
    for (const name of ['drawn', 'cached']) {
      const run = Run.open(join(root, name), scenes);
      const { signal } = new AbortController();
      await trainParts({
        run,
        recipe: scenes,
        report: reporter(),
        signal,
        cacheFolder,
        workers: 1,
      });
      all.push(losses(run));
      const steps = rows(run).filter(({ alignment }) => alignment !== undefined);
      assert.equal(steps.length, 4);
    }
    assert.deepEqual(all[1], all[0]);
  });

  test('a run that has not come to its decay is prolonged as if it had been longer', async () => {
    const longer = recipeWith({ steps: 12, decayShare: 0.25, warmupSteps: 0 });
    const shorter = recipeWith({ steps: 8, decayShare: 0.25, warmupSteps: 0 });
    const at = Run.open(join(root, 'longer'), longer);
    await trainUntil(at, longer);
    const folder = join(root, 'prolonged');
    await trainUntil(Run.open(folder, shorter), shorter, 5);
    const run = Run.open(folder, longer, { resume: true });
    await trainUntil(run, longer);
    const weightsOf = (one: Run) => readFileSync(join(checkpointOf(one), 'weights.safetensors'));
    assert.ok(weightsOf(run).equals(weightsOf(at)));
  });
});
