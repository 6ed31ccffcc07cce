import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeFlops, encodeFlops } from '../../../src/models/autoencoder/cost.js';
import { Decoder } from '../../../src/models/autoencoder/decoder.js';
import { Encoder } from '../../../src/models/autoencoder/encoder.js';
import { parseAutoencoderConfig } from '../../../src/models/autoencoder/index.js';
import { type Module, withParameters } from '../../../src/nn/index.js';

const config = parseAutoencoderConfig({
  block_out_channels: [8, 16, 24, 24],
  layers_per_block: 1,
  norm_num_groups: 4,
});
const clip = { numFrames: 9, width: 64, height: 48 };
const pixels = 64 * 48;

/** Every convolution of the built network times the voxels that it makes. */
function byHand(make: () => Module, voxels: (name: string) => number): number {
  let sum = 0;
  for (const [name, { shape, numel }] of withParameters(
    { device: 'meta' },
    make,
  ).namedParameters()) {
    if (shape.length > 1) sum += 2 * numel * voxels(name);
  }
  return sum;
}

describe('encodeFlops', () => {
  test('is every convolution of the encoder at its own size', () => {
    // frames and pixels of each level
    const levels = [9 * pixels, (5 * pixels) / 4, (3 * pixels) / 16, (3 * pixels) / 64];
    const expected = byHand(
      () => new Encoder(config),
      (name) => {
        if (name.startsWith('conv_in')) return levels[0]!;
        const level = /^down_blocks\.(\d)/.exec(name)?.[1];
        if (level === undefined) return levels[3]!;
        return levels[Number(level) + (name.includes('downsamplers') ? 1 : 0)]!;
      },
    );
    assert.equal(encodeFlops(config, clip), expected);
  });
});

describe('decodeFlops', () => {
  test('is every convolution of the decoder, those of its norms at the size of the latents', () => {
    const latents = (3 * pixels) / 64;
    const levels = [latents, (5 * pixels) / 16, (9 * pixels) / 4, 9 * pixels];
    // upsampled in space, not yet in time
    const between = [(3 * pixels) / 16, (5 * pixels) / 4, 9 * pixels];
    const expected = byHand(
      () => new Decoder(config),
      (name) => {
        if (/conv_[yb]\./.test(name) || name.startsWith('conv_in')) return latents;
        if (name.startsWith('conv_out')) return levels[3]!;
        const level = Number(/^up_blocks\.(\d)/.exec(name)?.[1] ?? 0);
        return (name.includes('upsamplers') ? between : levels)[level]!;
      },
    );
    assert.equal(decodeFlops(config, clip), expected);
  });
});
