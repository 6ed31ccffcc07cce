import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError, ShapeError } from '../../../src/errors.js';
import {
  Autoencoder,
  autoencoderLoss,
  DiagonalGaussian,
  initialiseAutoencoder,
  parseAutoencoderConfig,
} from '../../../src/models/autoencoder/index.js';
import { type NormalizeOptions, normalizeClip } from '../../../src/models/autoencoder/normalize.js';
import {
  cat,
  grad,
  manualSeed,
  memoryInfo,
  noGrad,
  randn,
  resetPeakMemory,
  type Tensor,
  tensor,
  tidy,
} from '../../../src/tensor/index.js';

const TINY = { block_out_channels: [4, 8, 8], norm_num_groups: 2, layers_per_block: 1 };

function tiny(options: Record<string, unknown> = {}): Autoencoder {
  manualSeed(0);
  return initialiseAutoencoder(new Autoencoder(parseAutoencoderConfig({ ...TINY, ...options })));
}

const worst = (a: Tensor, b: Tensor) => a.sub(b).abs().amax().item();
const inScope = (fn: () => void) => () => noGrad(() => tidy(fn));

describe('Autoencoder', () => {
  test(
    'encodes 4k + 1 frames to k + 1 and decodes an even latent count to four times as many',
    inScope(() => {
      const model = tiny();
      for (const [frames, latents] of [
        [1, 1],
        [5, 2],
        [9, 3],
        [13, 4],
        [17, 5],
      ]) {
        const encoded = model.encode(randn([1, 3, frames, 8, 12])).mode();
        assert.deepEqual(encoded.shape, [1, 16, latents, 2, 3]);
      }
      for (const [latents, frames] of [
        [1, 1],
        [2, 8],
        [3, 9],
        [4, 16],
        [5, 17],
      ]) {
        const decoded = model.decode(randn([2, 16, latents, 2, 3]));
        assert.deepEqual(decoded.shape, [2, 3, frames, 8, 12]);
      }
    }),
  );

  test(
    'keeps earlier chunks free of later frames, and later chunks not of earlier ones',
    inScope(() => {
      const model = tiny();
      const clip = randn([1, 3, 17, 8, 8]);
      const full = model.encode(clip).mode();
      // frames 0-8 are the first chunk and give the first three latent frames
      const first = model.encode(clip.narrow(2, 0, 9)).mode();
      assert.ok(worst(full.narrow(2, 0, 3), first) < 1e-6);
      const changed = cat([clip.narrow(2, 0, 9).mul(-1), clip.narrow(2, 9, 8)], 2);
      const other = model.encode(changed).mode();
      assert.ok(worst(full.narrow(2, 3, 2), other.narrow(2, 3, 2)) > 1e-4);
    }),
  );

  test('without gradients holds a few clips of full size, however many layers', () => {
    const [frames, size, widest] = [16, 64, 8];
    const latents = randn([1, 16, frames / 4, size / 4, size / 4]);
    const clipBytes = widest * 8 * size ** 2 * 4; // of one chunk, 8 frames
    for (const layers_per_block of [1, 6]) {
      const model = tiny({ block_out_channels: [8, 8, 8], layers_per_block });
      const run = () => noGrad(() => tidy(() => void model.decode(latents)));
      run();
      const { usedBytes } = memoryInfo();
      resetPeakMemory();
      run();
      assert.equal(memoryInfo().usedBytes, usedBytes);
      // two remembered frames for each convolution at full size, and what one layer works on
      const past = 2 * (layers_per_block + 1) * 2 * (clipBytes / 8);
      const clips = (memoryInfo().peakBytes - usedBytes - past) / clipBytes;
      assert.ok(clips < 8, `${clips.toFixed(1)} clips with ${layers_per_block} layers`);
    }
  });

  test(
    'follows the temporal compression ratio',
    inScope(() => {
      const model = tiny({ temporal_compression_ratio: 2 });
      assert.equal(
        model
          .encode(randn([1, 3, 9, 8, 8]))
          .mode()
          .size(2),
        5,
      );
      assert.equal(model.decode(randn([1, 16, 3, 2, 2])).size(2), 5);
    }),
  );

  test(
    'gives the same in one tile as without tiling, and any tiling covers the picture',
    inScope(() => {
      const model = tiny();
      const clip = randn([1, 3, 5, 16, 24]);
      const plain = model.encode(clip).mode();
      const decoded = model.decode(plain);
      model.enableTiling({ tileSampleMinHeight: 16, tileSampleMinWidth: 24 });
      assert.equal(worst(model.encode(clip).mode(), plain), 0);
      assert.equal(worst(model.decode(plain), decoded), 0);
      model.enableTiling({
        tileSampleMinHeight: 8,
        tileSampleMinWidth: 16,
        tileOverlapFactorHeight: 0.5,
        tileOverlapFactorWidth: 0.25,
      });
      assert.deepEqual(model.encode(clip).mode().shape, plain.shape);
      assert.deepEqual(model.decode(plain).shape, decoded.shape);
      model.enableTiling({ tileSampleMinHeight: 4, tileOverlapFactorHeight: 0.5 });
      assert.throws(() => model.decode(plain), InputError);
    }),
  );

  test('passes gradients to every parameter, through the chunks too', () => {
    tidy(() => {
      const model = tiny();
      const clip = randn([1, 3, 17, 8, 8]);
      autoencoderLoss(model, clip).loss.backward();
      for (const [name, parameter] of model.namedParameters()) {
        assert.ok(parameter.grad, name);
        assert.ok(Number.isFinite(parameter.grad.sum().item()), name);
      }
      // the second chunk's latents depend on the first chunk's frames only through the caches
      const leaf = clip.clone().requiresGrad_();
      const late = model.encode(leaf).mode().narrow(2, 3, 2).sum();
      const [gradient] = grad([late], [leaf]);
      assert.ok(gradient!.narrow(2, 7, 2).abs().sum().item() > 0);
      model.dispose();
    });
  });

  test('may be held to given latents: their mean squared difference joins the loss, and its gradient the encoder', () => {
    tidy(() => {
      const model = tiny();
      const clip = randn([1, 3, 5, 8, 8]);
      const own = noGrad(() => model.encode(clip).mode());
      const lossNear = (shift: number) => {
        const near = { latents: own.add(shift), weight: 3 };
        return autoencoderLoss(model, clip, { sample: false, near }).loss;
      };
      const plain = autoencoderLoss(model, clip, { sample: false }).loss.item();
      assert.equal(lossNear(0).item(), plain);
      assert.ok(Math.abs(lossNear(0.5).item() - plain - 3 * 0.25) < 1e-4);
      const weight = model.encoder.convOut.conv.bias!;
      const [up, down] = [0.5, -0.5].map((shift) => grad([lossNear(shift)], [weight])[0]!);
      // the means are the first half of what the encoder gives
      const means = (gradient?: Tensor) => gradient!.narrow(0, 0, own.size(1)).sum().item();
      assert.ok(Math.abs(means(down) - means(up) - 2 * 3 * 2 * 0.5) < 1e-3);
      model.dispose();
    });
  });

  test('learns a picture in ten steps', () => {
    tidy(() => {
      const model = tiny({ latent_channels: 4 });
      const picture = randn([2, 3, 1, 8, 8]).tanh();
      const losses: number[] = [];
      for (let step = 0; step < 10; step++) {
        const { loss } = autoencoderLoss(model, picture, { sample: false });
        losses.push(loss.item());
        loss.backward();
        noGrad(() => {
          for (const parameter of model.parameters()) {
            parameter.sub_(parameter.grad!.mul(0.02));
          }
        });
        model.zeroGrad();
      }
      assert.ok(losses[9] < losses[0] * 0.9, losses.join(' '));
    });
  });

  test(
    'comes back from its state dict',
    inScope(() => {
      const model = tiny();
      const names = [...model.stateDict().keys()];
      assert.ok(names.includes('decoder.up_blocks.0.resnets.1.norm2.conv_y.conv.weight'));
      assert.ok(names.includes('encoder.down_blocks.1.resnets.0.norm1.weight'));
      const other = new Autoencoder(parseAutoencoderConfig(TINY));
      other.loadStateDict(model.stateDict());
      const clip = randn([1, 3, 5, 8, 8]);
      assert.equal(worst(other.encode(clip).mode(), model.encode(clip).mode()), 0);
    }),
  );

  test('refuses wrong shapes and keys by name', () => {
    tidy(() => {
      assert.throws(() => tiny().encode(randn([3, 5, 8, 8])), ShapeError);
    });
    assert.throws(() => parseAutoencoderConfig({ use_quant_conv: true }), /use_quant_conv/);
    assert.throws(() => parseAutoencoderConfig({ sampel_height: 4 }), /sampel_height/);
    assert.throws(
      () => parseAutoencoderConfig({ block_out_channels: [8, 6], norm_num_groups: 4 }),
      /multiple of norm_num_groups \(4\), got 6/,
    );
  });
});

/** Group norm, modulation and SiLU, written down. */
function normalizePlain(x: Tensor, { norm, modulation }: NormalizeOptions): Tensor {
  const [t, b, c, h, w] = x.dims(5);
  const perGroup = (channelMeans: Tensor) =>
    channelMeans
      .view([b, norm.groups, c / norm.groups])
      .mean([-1], true)
      .expand([b, norm.groups, c / norm.groups])
      .reshape([1, b, c, 1, 1]);
  const centred = x.sub(perGroup(x.mean([0, 3, 4])));
  const variance = perGroup(centred.mul(centred).mean([0, 3, 4]));
  const perChannel = (value: Tensor) => value.view([1, 1, c, 1, 1]);
  const factor = variance.add(norm.eps).rsqrt().mul(perChannel(norm.weight));
  const y = centred.mul(factor).add(perChannel(norm.bias));
  // 4 frames of 2, or the first and 4 of 3: each is shown twice, but for an odd first
  const resized = (low: Tensor) => {
    const wide = low.repeatInterleave(h / low.size(3), 3).repeatInterleave(w / low.size(4), 4);
    if (t % 2 === 0) return wide.repeatInterleave(2, 0);
    return cat([wide.narrow(0, 0, 1), wide.narrow(0, 1, low.size(0) - 1).repeatInterleave(2, 0)]);
  };
  return y.mul(resized(modulation!.scale)).add(resized(modulation!.shift)).silu();
}

describe('normalizeClip', () => {
  // float64 goes the way of other devices, through LibTorch's operators
  for (const [frames, dtype] of [1, 4, 5].flatMap((n) => [
    [n, 'float32'] as const,
    [n, 'float64'] as const,
  ])) {
    test(`equals the plain formula with its gradients, ${frames} frames, ${dtype}`, () => {
      tidy(() => {
        manualSeed(frames);
        const [b, c] = [2, 6];
        const leaf = (shape: number[]) => randn(shape).to(dtype).requiresGrad_();
        const clip = leaf([frames, b, c, 4, 6]);
        const norm = { weight: leaf([c]), bias: leaf([c]), groups: 3, eps: 1e-6 };
        const low = frames === 1 ? 1 : frames === 4 ? 2 : 3;
        const modulation = { scale: leaf([low, b, c, 2, 3]), shift: leaf([low, b, c, 2, 3]) };
        const inputs = [clip, norm.weight, norm.bias, modulation.scale, modulation.shift];
        const options = { norm, modulation, activate: true };
        const weights = randn([frames, b, c, 4, 6]).to(dtype);
        const [fused, plain] = [normalizeClip, normalizePlain].map((fn) => {
          const y = fn(clip, options);
          return [y, ...grad([y.mul(weights).sum()], inputs)] as Tensor[];
        });
        for (const [i, value] of fused.entries()) {
          // float32 sums of some hundred terms
          assert.ok(worst(value, plain[i]) < 1e-4, `tensor ${i}: ${worst(value, plain[i])}`);
        }
      });
    });
  }
});

describe('DiagonalGaussian', () => {
  test(
    'samples around the mean and measures its distance from a normal',
    inScope(() => {
      const posterior = new DiagonalGaussian(tensor([1, -2, 0, 40], { shape: [1, 4, 1, 1] }));
      assert.deepEqual([...posterior.mode().toFloat32Array()], [1, -2]);
      assert.deepEqual([...posterior.logvar.toFloat32Array()], [0, 20]);
      const noise = tensor([0.5, 0], { shape: [1, 2, 1, 1] });
      assert.deepEqual([...posterior.sample({ noise }).toFloat32Array()], [1.5, -2]);
      const normal = new DiagonalGaussian(tensor([0, 0], { shape: [1, 2, 1, 1] }));
      assert.equal(normal.kl().item(), 0);
    }),
  );
});
