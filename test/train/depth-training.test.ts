/** Training with estimated depth, from the recipe to the pipeline folder. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readSettings } from '../../src/pipeline/index.js';
import { setThreads } from '../../src/tensor/index.js';
import { train } from '../../src/train/index.js';
import { saveTinyDepthModel } from '../models/depth-anything/tiny.js';
import { temporaryFolder } from '../temp-folder.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from './tiny-parts.js';

const root = temporaryFolder();
const model = saveTinyDepthModel(join(root, 'depth-model'));

const recipe = {
  name: 'with-depth',
  dtype: 'float32' as const,
  data: [{ miniworld: { clips: 3, images: 0 } }],
  validationSamples: 1,
  depth: { from: 'model' as const, model, frameDropout: 0.2 },
  autoencoder: {
    steps: 1,
    ...TINY_AUTOENCODER,
    batches: [{ numFrames: 5, batchSize: 1 }],
  },
  textEncoder: TINY_TEXT_ENCODER,
  transformer: {
    ...TINY_TRANSFORMER,
    tokensPerBatch: 4,
    steps: 3,
    logEverySteps: 1,
    tasks: { i2v: 1, vinp: 1 },
    imageShare: [0, 0] as [number, number],
  },
  pipeline: { guidanceScale: 1 },
};

const weightsOf = (run: string) =>
  readFileSync(join(run, 'pipeline/transformer/diffusion_pytorch_model.safetensors'));

describe('training with estimated depth', () => {
  setThreads(1);

  test('stopped while depth is estimated and later equals uninterrupted, and the pipeline says how it takes depth', async () => {
    const whole = join(root, 'whole');
    const notes: string[] = [];
    const onEvent = (event: { type: string; text?: string }) => {
      if (event.type === 'note') notes.push(event.text!);
    };
    const { finished } = await train(recipe, { run: whole, workers: 1, onEvent });
    assert.ok(finished);
    assert.equal(notes[0], 'miniworld: depth of known frames is estimated for 3 clips');
    const { usesDepth, depthTasks, depthScale } = readSettings(join(whole, 'pipeline'));
    assert.deepEqual(
      { usesDepth, depthTasks, depthScale },
      {
        usesDepth: true,
        depthTasks: 'all',
        depthScale: 'unit',
      },
    );

    const run = join(root, 'stopped');
    const stops: ((event: { type: string; label?: string; step?: number }) => boolean)[] = [
      ({ type, label }) => type === 'phase' && label === 'estimating depth',
      ({ type, step }) => type === 'metrics' && step === 2,
    ];
    for (const [i, stopsAt] of stops.entries()) {
      const controller = new AbortController();
      const outcome = await train(recipe, {
        run,
        workers: 1,
        resume: i > 0,
        signal: controller.signal,
        onEvent: (event) => stopsAt(event) && controller.abort(),
      });
      assert.equal(outcome.finished, false);
    }
    const phases: string[] = [];
    const last = await train(recipe, {
      run,
      workers: 1,
      resume: true,
      onEvent: (event) => void (event.type === 'phase' && phases.push(event.label)),
    });
    assert.ok(last.finished);
    assert.ok(!phases.includes('estimating depth'), 'it is cached');
    assert.ok(weightsOf(run).equals(weightsOf(whole)));
  });

  test('without depth differs, and the pipeline says so', async () => {
    const run = join(root, 'without');
    const changes = [{ path: ['depth'], text: 'none' }];
    await train(recipe, { run, workers: 1, changes });
    const { usesDepth } = readSettings(join(run, 'pipeline'));
    assert.equal(usesDepth, false);
    assert.ok(!weightsOf(run).equals(weightsOf(join(root, 'whole'))));
    assert.ok(!readdirSync(run).includes('depth_model'));
  });

  test('refuses what cannot be, in one sentence', async () => {
    const start = (depth: object) => train({ ...recipe, depth }, { run: join(root, 'no') });
    const expected: [object, RegExp][] = [
      [
        { from: 'model' },
        /^depth\.from: model needs a depth model; name its folder as depth\.model/,
      ],
      [{ from: 'exact', model }, /depth\.model: has no effect with depth\.from: exact; leave out/],
      [{ model: root }, /is not a depth model's folder \(it has no config\.json\)/],
      [{ model: 'some/where' }, /^some\/where: no such folder, and no download of that name/],
      [{ from: 'files', dropout: 2 }, /depth\.dropout: /],
    ];
    for (const [depth, message] of expected) {
      await assert.rejects(async () => await start(depth), { name: 'InputError', message });
    }
  });
});
