import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { attention } from '../../src/nn/attention.js';
import { Generator, noGrad, randn, type Tensor, tensor } from '../../src/tensor/index.js';

/** The formula in float64, a query at a time. */
function plain(q: Tensor, k: Tensor, v: Tensor, scale: number, mask?: number[]): number[] {
  const [, , l, width] = q.dims(4);
  const s = k.size(2);
  const [Q, K, V] = [q, k, v].map((t) => t.toFloat32Array());
  const out: number[] = [];
  for (let i = 0; i < l; i++) {
    const scores = Array.from({ length: s }, (_, j) => {
      let dot = 0;
      for (let c = 0; c < width; c++) dot += Q[i * width + c] * K[j * width + c];
      return dot * scale + (mask?.[j] ?? 0);
    });
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((a, b) => a + b);
    for (let c = 0; c < width; c++) {
      out.push(weights.reduce((sum, weight, j) => sum + weight * V[j * width + c], 0) / total);
    }
  }
  return out;
}

const near = (got: Tensor, want: number[]) =>
  got.toFloat32Array().forEach((value, i) => {
    assert.ok(Math.abs(value - want[i]) < 1e-5, `${value} is not ${want[i]}`);
  });

describe('attention', () => {
  const generator = new Generator(2);
  const [q, k, v] = [5, 7, 7].map((n) => randn([1, 1, n, 8], { generator }));

  test('is the softmax of scaled scores, times the values', () => {
    near(attention(q, k, v), plain(q, k, v, 1 / Math.sqrt(8)));
    near(attention(q, k, v, { scale: 1 }), plain(q, k, v, 1));
  });

  test('adds a mask to the scores', () => {
    const mask = [0, -10000, 0, -10000, 0, 1, 0];
    near(
      attention(q, k, v, { mask: tensor(mask).view([1, 1, 1, 7]) }),
      plain(q, k, v, 1 / Math.sqrt(8), mask),
    );
  });

  test('gives the same in chunks as at once', () => {
    const [b, n, l] = [2, 3, 1500];
    const view = () => randn([b, l, n, 8], { generator }).transpose(1, 2);
    const [x, y, z] = [view(), view(), view()];
    const mask = randn([b, 1, 1, l], { generator });
    const chunked = noGrad(() => attention(x, y, z, { mask }));
    const whole = attention(x.clone().requiresGrad_(), y, z, { mask });
    assert.ok(chunked.sub(whole).abs().amax().item() < 1e-5);
    assert.ok(chunked.transpose(1, 2).isContiguous);
  });
});
