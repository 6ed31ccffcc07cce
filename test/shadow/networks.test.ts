/**
 * Networks on a second device, forward and backward: their values are the CPU's. `mfm verify --device`
 * compares them with the reference's.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autoencoderLoss } from '../../src/models/autoencoder/index.js';
import type { Module } from '../../src/nn/index.js';
import { openPipeline, type Pipeline } from '../../src/pipeline/index.js';
import {
  checkpoint,
  Generator,
  grad,
  ops,
  rand,
  randn,
  type Tensor,
  tensor,
  tidy,
  upload,
  uploadAll,
} from '../../src/tensor/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { tinyModel } from '../models/depth-anything/tiny.js';
import { temporaryFolder } from '../temp-folder.js';
import { counted, noShadow, SHADOW } from './shadow.js';

/** Our fused CPU kernels sum in another order than the same operators of LibTorch. */
const TOLERANCE = 2e-5;

function expectNear(got: Tensor, want: Tensor, name: string): void {
  assert.deepEqual(got.shape, want.shape, name);
  const [a, b] = [got.toFloat32Array(), want.toFloat32Array()];
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i]!)), 0);
  assert.ok(worst <= TOLERANCE * largest + 1e-7, `${name}: ${worst} of ${largest}`);
}

/** The same loss of a network and its gradients, on both devices. */
function expectSameGradients(make: () => Module, loss: (module: Module, device: string) => Tensor) {
  tidy(() => {
    const [here, there] = ['cpu', SHADOW].map((device) => {
      const network = make().moveTo(device, 'float32').requiresGrad_(true);
      const value = loss(network, device);
      value.backward();
      return { network, value };
    });
    expectNear(there!.value, here!.value, 'loss');
    const gradients = there!.network.namedParameters();
    for (const [name, { grad }] of here!.network.namedParameters()) {
      const other = gradients.get(name)!.grad;
      assert.equal(other === null, grad === null, name);
      if (grad) expectNear(other!, grad, name);
    }
    for (const { network } of [here!, there!]) network.dispose();
  });
}

const noise = (...shape: number[]) => randn(shape, { generator: new Generator(shape.length) });

describe('a second device', { skip: noShadow }, () => {
  const tiny = temporaryFolder();
  let opened: Pipeline | null = null;
  const pipeline = () => {
    if (!opened) {
      saveTinyPipeline(tiny);
      opened = openPipeline(tiny, { dtype: 'float32' });
    }
    return opened;
  };
  const fresh = <M extends Module>(part: (pipeline: Pipeline) => M) => {
    pipeline();
    return () => part(openPipeline(tiny, { dtype: 'float32' }));
  };

  test('runs the transformer, with every block computed a second time', () => {
    const loss = (wrapBlock?: typeof checkpoint) => (module: Module, device: string) => {
      const transformer = module as Pipeline['transformer'];
      const on = (x: Tensor) => x.to(device);
      const velocity = transformer.predict(on(noise(2, 16, 2, 4, 4)), {
        timesteps: tensor([300, 700], { device }),
        motionScores: tensor([1, 2], { device }),
        text: on(noise(2, 16, 32)),
        textMask: on(noise(2, 16).gt(0).to('float32')),
        pixels: on(noise(2, 4, 5, 32, 32)),
        mask: on(noise(2, 1, 5, 32, 32).gt(0).to('float32')),
        wrapBlock,
      });
      return velocity.square().mean();
    };
    const make = fresh(({ transformer }) => transformer);
    expectSameGradients(make, loss());
    expectSameGradients(make, loss(checkpoint));
  });

  test('runs the autoencoder', () => {
    const video = rand([1, 3, 5, 32, 32], { generator: new Generator(1) });
    expectSameGradients(
      fresh(({ autoencoder }) => autoencoder),
      (module, device) =>
        autoencoderLoss(module as Pipeline['autoencoder'], video.to(device), {
          noise: (shape) => noise(...shape).to(device),
        }).loss,
    );
  });

  test('runs the text encoder', () => {
    expectSameGradients(
      fresh(({ textEncoder }) => textEncoder),
      (module, device) =>
        (module as Pipeline['textEncoder'])
          .forward(
            tensor([[1, 2, 3, 0]], { dtype: 'int64', device }),
            tensor([[1, 1, 1, 0]], { device }),
          )
          .mul(noise(1, 4, 32).to(device))
          .sum(),
    );
  });

  test('runs the depth network', () => {
    const wanted = rand([2, 16, 24], { generator: new Generator(2) });
    expectSameGradients(
      () => tinyModel(),
      (module, device) =>
        (module as ReturnType<typeof tinyModel>)
          .forward(noise(2, 3, 16, 24).to(device))
          .mul(wanted.to(device))
          .mean(),
    );
  });

  test('gives gradients of inputs, also where a block is computed a second time', () => {
    const weight = noise(8, 8);
    const gradientsOn = (device: string) => {
      const [x, w] = [noise(4, 8), weight].map((t) => t.to(device).detach().requiresGrad_());
      const inner = (t: Tensor) => ops.linear(t, w!).tanh();
      // a checkpoint within a checkpoint
      const out = checkpoint((t) => checkpoint(inner, t).add(t), x!);
      out.square().sum().backward();
      return [x!.grad!, w!.grad!];
    };
    tidy(() => {
      const [here, there] = ['cpu', SHADOW].map(gradientsOn);
      for (const i of [0, 1]) expectNear(there![i]!, here![i]!, `gradient ${i}`);
      const x = noise(3).to(SHADOW).requiresGrad_();
      expectNear(grad([x.square().sum()], [x])[0]!, x.detach().mul(2), 'grad');
    });
  });

  test('does not mix with the CPU, and draws no random numbers', () => {
    tidy(() => {
      const x = noise(3, 4);
      assert.throws(() => x.to(SHADOW).add(x), /privateuseone:0 and cpu/);
      assert.throws(() => ops.linear(x.to(SHADOW), noise(4, 4)), /privateuseone:0 and cpu/);
      assert.throws(() => randn([3], { device: SHADOW }), /draw them on the CPU/);
      assert.equal(x.to(SHADOW).mul(tensor(2)).device, SHADOW);
    });
  });

  test('is waited for where values are read, and not where they are sent', () => {
    tidy(() => {
      const sent = counted(() => void noise(4, 4).to(SHADOW).add(1));
      assert.deepEqual([sent.uploads, sent.uploadedBytes, sent.waits], [1, 64, 0]);
      const parts = [noise(1, 4), noise(1, 4)];
      const joined = counted(() => assert.deepEqual(uploadAll(parts, SHADOW).shape, [2, 4]));
      assert.deepEqual([joined.uploads, joined.waits], [1, 0]);
      const apart = [noise(1, 4).to(SHADOW), noise(1, 4)];
      assert.equal(uploadAll(apart, SHADOW).device, SHADOW);
      const x = noise(4, 4).to(SHADOW);
      assert.equal(upload(x, SHADOW), x);
      const read = counted(() => void x.sum().item());
      assert.deepEqual([read.downloads, read.downloadedBytes, read.waits], [1, 4, 1]);
    });
  });
});
