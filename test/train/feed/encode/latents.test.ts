import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { MINIWORLD_VERSION, miniWorld } from '../../../../src/data/miniworld/index.js';
import {
  Autoencoder,
  initialiseAutoencoder,
  parseAutoencoderConfig,
} from '../../../../src/models/autoencoder/index.js';
import { manualSeed, noGrad, randn } from '../../../../src/tensor/index.js';
import {
  encodedAtOnce,
  encodeInBatches,
  hashOfWeights,
  type LatentEncoder,
  latentEncoder,
  latentsKey,
  packLatents,
  unpackLatents,
} from '../../../../src/train/feed/encode/latents.js';
import { sceneAt } from '../../../../src/train/feed/items/scenes.js';

function tinyAutoencoder(): Autoencoder {
  manualSeed(0);
  const config = parseAutoencoderConfig({
    _class_name: 'AutoencoderKLCogVideoX',
    block_out_channels: [8, 8, 8, 8],
    layers_per_block: 1,
    norm_num_groups: 4,
    scaling_factor: 1,
  });
  return initialiseAutoencoder(new Autoencoder(config));
}

describe('latents', () => {
  const model = tinyAutoencoder();
  const size = { width: 32, height: 16, numFrames: 5 };
  const item = sceneAt('clip', 'train', 7, { maxObjects: 2, others: null });

  test('are those of the frames alone, in bfloat16, and come back as they were', () => {
    const { frames } = miniWorld(7, size);
    const encoder = latentEncoder(model);
    const [a, b] = [0, 1].map(() => encoder.encode({ ...size, data: frames }));
    assert.deepEqual([a!.shape, a!.dtype], [[1, 16, 2, 2, 4], 'bfloat16']);
    assert.deepEqual(a!.toFloat32Array(), b!.toFloat32Array());
    const back = unpackLatents(Uint8Array.from(packLatents({ latents: a!, motionScore: 0.3 })));
    assert.equal(back!.motionScore, 0.3);
    assert.deepEqual(back!.latents.shape, a!.shape);
    assert.deepEqual(back!.latents.toFloat32Array(), a!.toFloat32Array());
    assert.equal(unpackLatents(new Uint8Array(40)), null);
  });

  test('are the same whatever is encoded beside them, in any dtype', () => {
    const all = [1, 2, 3, 4, 5].map((seed) => ({ ...size, data: miniWorld(seed, size).frames }));
    for (const dtype of ['float32', 'bfloat16'] as const) {
      const encoder = latentEncoder(tinyAutoencoder().toDtype(dtype));
      const alone = all.map((one) => encoder.encode(one).toFloat32Array());
      for (const count of [5, 3, 2, 1]) {
        const some = encodeInBatches(encoder, all.slice(0, count));
        assert.deepEqual(
          some.map((one) => one.toFloat32Array()),
          alone.slice(0, count),
        );
      }
    }
  });

  test('of large samples are encoded one at a time, of small ones a few', () => {
    assert.equal(encodedAtOnce({ width: 64, height: 64, numFrames: 17 }), 8);
    assert.equal(encodedAtOnce({ width: 640, height: 352, numFrames: 97 }), 1);
    const sizes: number[] = [];
    const encoder: LatentEncoder = {
      hash: '',
      encode: () => randn([1]),
      encodeAll: (all) => {
        sizes.push(all.length);
        return all.map(() => randn([1]));
      },
    };
    const clip = { width: 16, height: 16, numFrames: 1, data: new Uint8Array(16 * 16 * 3) };
    assert.equal(encodeInBatches(encoder, Array(19).fill(clip)).length, 19);
    assert.deepEqual(sizes, [8, 8, 3]);
  });

  test('have a key of item, size, and weights, whatever the weights lie in', () => {
    const key = latentsKey(item, size, latentEncoder(model));
    assert.equal(latentsKey(item, size, latentEncoder(tinyAutoencoder())), key);
    const others = [
      latentsKey(item, { ...size, numFrames: 1 }, latentEncoder(model)),
      latentsKey(
        sceneAt('clip', 'train', 8, { maxObjects: 2, others: null }),
        size,
        latentEncoder(model),
      ),
      latentsKey(
        sceneAt('clip', 'train', 7, { maxObjects: 3, others: null }),
        size,
        latentEncoder(model),
      ),
      latentsKey(item, size, latentEncoder(tinyAutoencoder().toDtype('bfloat16'))),
    ];
    const before = hashOfWeights(model);
    const weight = model.parameters().at(-1)!;
    noGrad(() => weight.add_(randn(weight.shape).mul(1e-3)));
    assert.notEqual(hashOfWeights(model), before);
    others.push(latentsKey(item, size, latentEncoder(model)));
    assert.equal(new Set([key, ...others]).size, 6);
  });
});

test('a change of what scenes look like raises MINIWORLD_VERSION', () => {
  const hash = createHash('sha256');
  for (const seed of [0, 1, 2])
    hash.update(miniWorld(seed, { width: 32, height: 32, numFrames: 5 }).frames);
  // made by this very test; pins what is kept on disks to the version that it was made by
  assert.deepEqual([MINIWORLD_VERSION, hash.digest('hex').slice(0, 16)], [1, 'c19cfc710a769723']);
});
