/**
 * Networks and pipelines on the meta device, which has shapes and no values. A tensor forgotten on
 * the CPU does not mix with it, and none can be read, so what runs here knows one device only.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { depthAtSize } from '../../src/models/depth-anything/index.js';
import type { Module } from '../../src/nn/index.js';
import { openPipeline, type Pipeline } from '../../src/pipeline/index.js';
import { conditionOf, NOTHING, TASKS } from '../../src/tasks/index.js';
import {
  call,
  empty,
  noGrad,
  ops,
  randn,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../../src/tensor/index.js';
import { native } from '../../src/tensor/native.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { tinyModel } from '../models/depth-anything/tiny.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-device-'));
after(() => rmSync(root, { recursive: true, force: true }));
const tiny = join(root, 'tiny');
const target = { width: 32, height: 32, numFrames: 5 };
const DTYPES = ['float32', 'bfloat16', 'float16'] as const;

before(() => {
  native.completeMeta();
  saveTinyPipeline(tiny);
});

const meta = (...shape: number[]) => empty(shape, { device: 'meta' });

function expectMeta(value: Tensor, shape: number[]): void {
  assert.equal(value.device, 'meta');
  assert.deepEqual(value.shape, shape);
}

function request(prompts = ['a red cube']) {
  return {
    task: TASKS.t2v,
    prompts,
    target,
    numInferenceSteps: 2,
    guidanceScale: 2,
    conditions: prompts.map(() => conditionOf(NOTHING, target)),
    motionScore: 1,
    seed: 0,
  };
}

const allOnMeta = (module: Module) => module.parameters().every(({ device }) => device === 'meta');

describe('a pipeline on the meta device', () => {
  for (const dtype of DTYPES) {
    test(`denoises and decodes there alone, ${dtype}`, async () => {
      const pipeline = openPipeline(tiny, { device: 'meta', dtype });
      const latents = await pipeline.denoise(request());
      expectMeta(latents, [1, 16, 2, 4, 4]);
      assert.equal(latents.dtype, 'float32');
      assert.ok(allOnMeta(pipeline.transformer) && allOnMeta(pipeline.textEncoder));
      expectMeta(await pipeline.decode(latents), [1, 3, 5, 32, 32]);
      pipeline.dispose();
    });
  }

  test('with every solver, a batch, partial guidance and given latents', async () => {
    const pipeline = openPipeline(tiny, { device: 'meta', oneAtATime: true });
    for (const solver of ['euler', 'dpm++', 'unipc'] as const) {
      const latents = await pipeline.denoise({
        ...request(['a cube', 'red']),
        solver,
        numInferenceSteps: 4,
        guidanceRange: [1, 0.5],
        latents: randn([2, 16, 2, 4, 4]),
      });
      expectMeta(latents, [2, 16, 2, 4, 4]);
    }
    const unguided = await pipeline.denoise({ ...request(), guidanceScale: 1 });
    expectMeta(unguided, [1, 16, 2, 4, 4]);
    pipeline.dispose();
  });

  test('gives its weights back when a part is released', async () => {
    const apart = openPipeline(tiny, { device: 'meta', oneAtATime: true });
    const asked = request();
    (await apart.denoise(asked)).dispose();
    const live = native.liveTensors();
    (await apart.denoise(asked)).dispose();
    assert.equal(native.liveTensors(), live);
    apart.dispose();
  });
});

describe('networks on the meta device', () => {
  let pipeline: Pipeline;
  before(() => {
    pipeline = openPipeline(tiny, { device: 'meta' });
  });
  after(() => pipeline.dispose());
  const inScope = (fn: () => void) => () => noGrad(() => tidy(fn));

  test(
    'the text encoder, with its mask',
    inScope(() => {
      const ids = empty([2, 16], { device: 'meta', dtype: 'int64' });
      expectMeta(pipeline.textEncoder.forward(ids, meta(2, 16)), [2, 16, 32]);
    }),
  );

  test(
    'the transformer from raw inputs, with its trace',
    inScope(() => {
      const trace = new Map<string, Tensor>();
      const velocity = pipeline.transformer.predict(meta(1, 16, 2, 4, 4), {
        timesteps: meta(1),
        motionScores: meta(1),
        text: meta(1, 16, 32),
        trace,
        textMask: meta(1, 16),
        pixels: meta(1, 4, 5, 32, 32),
        mask: meta(1, 1, 5, 32, 32),
      });
      expectMeta(velocity, [1, 16, 2, 4, 4]);
      assert.ok(trace.has('block.0.out'));
    }),
  );

  test(
    'the autoencoder both ways, whole and in tiles',
    inScope(() => {
      const { autoencoder } = pipeline;
      const posterior = autoencoder.encode(meta(1, 3, 9, 32, 48));
      expectMeta(posterior.mode(), [1, 16, 3, 4, 6]);
      expectMeta(posterior.sample(), [1, 16, 3, 4, 6]);
      expectMeta(autoencoder.decode(meta(1, 16, 4, 4, 6)), [1, 3, 16, 32, 48]);
      const sides = { tileSampleMinHeight: 32, tileSampleMinWidth: 32 };
      const overlaps = { tileOverlapFactorHeight: 0.25, tileOverlapFactorWidth: 0.25 };
      autoencoder.enableTiling({ ...sides, ...overlaps });
      expectMeta(autoencoder.encode(meta(1, 3, 5, 64, 64)).mode(), [1, 16, 2, 8, 8]);
      expectMeta(autoencoder.decode(meta(1, 16, 2, 8, 8)), [1, 3, 8, 64, 64]);
    }),
  );

  for (const options of [{}, { use_swiglu_ffn: true }, { reshape_hidden_states: true }]) {
    test(
      `the depth network, ${JSON.stringify(options)}`,
      inScope(() => {
        const network = tinyModel({}, options).moveTo('meta', 'float32');
        const depth = network.forward(meta(2, 3, 16, 24));
        expectMeta(depth, [2, 16, 24]);
        expectMeta(depthAtSize(depth, { width: 20, height: 10 }), [2, 10, 20]);
      }),
    );
  }
});

describe('tensors on two devices', () => {
  test('are refused by every operator, in a sentence', () => {
    const x = zeros([1, 4, 8]);
    const there = (t: Tensor) => t.to('meta');
    const head = zeros([1, 2, 4, 8]);
    const frames = zeros([3, 1, 8, 4, 4]);
    const calls: [string, () => unknown][] = [
      ['linear', () => ops.linear(x, there(zeros([4, 8])))],
      ['cat', () => ops.cat([x, there(x)])],
      ['norm', () => call('mfm::norm_modulate', x, there(zeros([8])), null, null, 1e-6, true)],
      ['rope', () => call('mfm::rms_norm_rope', head, there(zeros([8])), null, null, 1e-6)],
      ['gate', () => call('mfm::gated_add', x, x, there(zeros([1, 1, 8])))],
      ['attention', () => call('mfm::attention', head, there(head), there(head), null, 1)],
      [
        'conv',
        () => call('mfm::clip_conv', frames, null, there(zeros([8, 8, 1, 1, 1])), null, 1, 0),
      ],
    ];
    for (const [name, run] of calls) {
      assert.throws(run, /tensors on meta and on another device do not mix/, name);
    }
  });

  test('may be a tensor and a single number', () => {
    expectMeta(meta(3).mul(tensor(2)), [3]);
  });
});

describe('the operators that other devices use', () => {
  test('sample what the CPU kernels do', async () => {
    // float64 has no kernels of ours, so it goes through the same operators of LibTorch
    const [fused, plain] = await Promise.all(
      (['float32', 'float64'] as const).map(async (dtype) => {
        const pipeline = openPipeline(tiny, { dtype });
        const video = await pipeline.sample(request());
        const values = video.toFloat32Array();
        video.dispose();
        pipeline.dispose();
        return values;
      }),
    );
    const worst = fused!.reduce((most, v, i) => Math.max(most, Math.abs(v - plain![i]!)), 0);
    const largest = plain!.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    assert.ok(worst < 1e-4 * largest, `${worst} of ${largest}`); // float32 sums through all networks
  });

  test('update weights and measure gradients', () => {
    tidy(() => {
      const names = ['weights', 'gradients', 'means', 'squares'];
      const lists = names.map(() => [meta(4, 3), meta(5)]);
      call('mfm::adamw_', ...lists, [], 1e-3, 0.9, 0.99, 1e-8, 0.1, 1, 1);
      expectMeta(call('mfm::grad_norm', lists[1]), []);
    });
  });
});
