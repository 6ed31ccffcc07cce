/** Results on a second device are those of the CPU, for all tasks and ways of sampling. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { RandomStream } from '../../src/data/random.js';
import { open } from '../../src/index.js';
import { openPipeline } from '../../src/pipeline/index.js';
import { conditionOf, TASKS } from '../../src/tasks/index.js';
import { tidy } from '../../src/tensor/index.js';
import { noisy } from '../cli/commands/generate/generating.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { saveTinyDepthModel } from '../models/depth-anything/tiny.js';
import { saveTinyLora } from '../pipeline/tiny-lora.js';
import { sampleFor } from '../tasks/same-condition.js';
import { temporaryFolder } from '../temp-folder.js';
import { counts, noShadow, resetCounts, SHADOW } from './shadow.js';

const root = temporaryFolder();
const tiny = `${root}/tiny`;

before(() => {
  saveTinyPipeline(tiny, { usesDepth: true });
  saveTinyLora(`${root}/lora`, { pipeline: tiny });
  saveTinyDepthModel(`${root}/depth`);
});

/** Values are about -1..1; float32 sums through all networks are in another order. */
const TOLERANCE = 1e-3;

describe('a second device', { skip: noShadow }, () => {
  test('makes what the CPU makes, for every task', async () => {
    const made = new Map<string, Float32Array[]>();
    for (const device of ['cpu', SHADOW]) {
      const pipeline = openPipeline(tiny, { device, dtype: 'float32' });
      for (const [i, task] of Object.values(TASKS).entries()) {
        const sample = sampleFor(task, i);
        const target = { width: 32, height: 48, numFrames: sample.clip.numFrames };
        const given = task.fromSample(sample, new RandomStream(i, 'given'));
        const condition = tidy(() => conditionOf(given, target, { scale: 'clip' }));
        const video = await pipeline.sample({
          task,
          target,
          prompts: [sample.caption],
          conditions: [condition],
          numInferenceSteps: 2,
          guidanceScale: i % 2 === 0 ? 3 : 1,
          motionScore: 1,
          seed: i,
        });
        assert.equal(video.device, 'cpu');
        made.set(task.id, [...(made.get(task.id) ?? []), video.toFloat32Array()]);
        for (const tensor of [video, ...Object.values(condition)]) tensor.dispose();
      }
      pipeline.dispose();
    }
    for (const [task, [here, there]] of made) {
      const worst = here!.reduce((most, v, i) => Math.max(most, Math.abs(v - there![i]!)), 0);
      const largest = here!.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      assert.ok(worst < TOLERANCE * largest, `${task}: ${worst} of ${largest}`);
    }
    assert.equal(counts().heldBytes, 0);
  });

  test('does so with LoRAs, estimated depth, tiles, long clips, caching, solvers and batches', async () => {
    const photo = noisy(64, 48);
    const requests: [keyof typeof TASKS, Record<string, unknown>][] = [
      ['i2v', { inputs: [photo], numFrames: 9 }],
      ['t2v', { numFrames: 12, solver: 'unipc', numInferenceSteps: 3 }],
      ['isr', { inputs: [photo], tile: { width: 48, height: 48 } }],
      ['t2v', { cacheThreshold: 0.5, numInferenceSteps: 4, solver: 'dpm++' }],
      ['ioutp', { inputs: [photo], expand: '0.25' }],
    ];
    const made: Uint8Array[][] = [];
    for (const device of ['cpu', SHADOW]) {
      const loras = [{ path: `${root}/lora`, scale: 0.5 }];
      const options = { device, dtype: 'float32', loras, depthModel: `${root}/depth` } as const;
      await using mfm = await open(tiny, options);
      const results: Uint8Array[] = [];
      for (const [task, request] of requests) {
        const { data } = await mfm
          .generate(task, { prompt: 'a red cube', seed: 3, ...request } as never)
          .toFrames();
        results.push(data);
      }
      made.push(results);
    }
    for (const [i, [task]] of requests.entries()) {
      const [here, there] = [made[0]![i]!, made[1]![i]!];
      assert.equal(there.length, here.length, task);
      // rounding to bytes
      const worst = here.reduce((most, v, k) => Math.max(most, Math.abs(v - there[k]!)), 0);
      assert.ok(worst <= 1, `${task} ${i}: ${worst}`);
    }
    assert.equal(counts().heldBytes, 0);
  });

  test('is waited for as often in a step as in any other', async () => {
    await using mfm = await open(tiny, { device: SHADOW, dtype: 'float32' });
    // measures the device
    const plan = await mfm.plan('t2v', { prompt: 'a cube' });
    assert.ok(plan.seconds! > 0 && plan.peakBytes > 0 && plan.fits, JSON.stringify(plan));
    const waits: number[] = [];
    for (const numInferenceSteps of [4, 8]) {
      resetCounts();
      await mfm.generate('t2v', { prompt: 'a cube', numInferenceSteps }).toFrames();
      waits.push(counts().waits);
    }
    // to find broken numbers
    assert.equal(waits[1]! - waits[0]!, 4, String(waits));
  });
});
