import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clipPsnr, ssim } from '../../../src/eval/metrics/index.js';
import type { Frames } from '../../../src/media/index.js';

/** Slopes and a noise of `spread` levels; whole numbers only, so any language makes the same. */
function noisyClip(size: [number, number, number], seed: number, spread: number): Frames {
  const [width, height, numFrames] = size;
  const data = new Uint8Array(width * height * numFrames * 3);
  let state = seed;
  let at = 0;
  for (let f = 0; f < numFrames; f++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++) {
          state = (Math.imul(1664525, state) + 1013904223) >>> 0;
          const slopes = 3 * x + 5 * y * (c + 1) + 40 * f + Math.floor((x * y) / 7);
          data[at++] = Math.min(255, (slopes % 200) + ((state >>> 16) % spread));
        }
      }
    }
  }
  return { width, height, numFrames, data };
}

const flat = (value: number): Frames => ({
  width: 12,
  height: 11,
  numFrames: 1,
  data: new Uint8Array(12 * 11 * 3).fill(value),
});

// scikit-image 0.26.0, NumPy 2.4.6, on the same clips: the mean over frames of structural_similarity(a,
// b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1),
// and peak_signal_noise_ratio(a, b, data_range=255) of the whole clips
const EXPECTED: { size: [number, number, number]; ssim: number; psnr: number }[] = [
  { size: [32, 24, 2], ssim: 0.7934478012335302, psnr: 19.00544411827893 },
  { size: [11, 13, 1], ssim: 0.6760501419164001, psnr: 19.12657206864582 },
];

for (const { size, ...expected } of EXPECTED) {
  const [clip, reference] = [noisyClip(size, 1, 8), noisyClip(size, 2, 56)];
  const name = `${size[2]} frames of ${size[0]}x${size[1]}`;

  test(`ssim is scikit-image's for ${name}`, () => {
    const value = ssim(clip, reference);
    assert.ok(Math.abs(value - expected.ssim) < 1e-10, `got ${value}`);
  });

  test(`clipPsnr is scikit-image's for ${name}`, () => {
    const value = clipPsnr(clip, reference);
    assert.ok(Math.abs(value - expected.psnr) < 1e-4, `got ${value}`); // float32 inside
  });
}

describe('ssim', () => {
  test('is 1 for equal clips and the same either way round', () => {
    const [a, b] = [noisyClip([16, 16, 1], 3, 40), noisyClip([16, 16, 1], 4, 40)];
    assert.ok(Math.abs(ssim(a, a) - 1) < 1e-12);
    assert.ok(Math.abs(ssim(a, b) - ssim(b, a)) < 1e-12);
  });

  test('compares flat pictures by their brightness alone', () => {
    const c = (0.01 * 255) ** 2;
    const expected = (2 * 100 * 150 + c) / (100 ** 2 + 150 ** 2 + c);
    assert.ok(Math.abs(ssim(flat(100), flat(150)) - expected) < 1e-9);
  });

  test('rejects frames smaller than its window and clips that differ in size', () => {
    const small = noisyClip([10, 30, 1], 1, 8);
    assert.throws(() => ssim(small, small), /at least 11 pixels.*got 10x30/);
    assert.throws(() => ssim(flat(1), small), /one size.*12x11.*10x30/);
  });
});
