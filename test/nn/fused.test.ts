import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gatedAdd, geluTanh, modulate, rmsNorm, rmsNormRope } from '../../src/nn/fused.js';
import { ones, type Tensor, tensor } from '../../src/tensor/index.js';

const near = (got: Tensor, want: number[]) =>
  got.toFloat32Array().forEach((value, i) => {
    assert.ok(Math.abs(value - want[i]) < 1e-5, `${value} is not ${want[i]}`);
  });

describe('fused pieces', () => {
  test('rmsNorm divides by the root of the mean square', () => {
    near(rmsNorm(tensor([[[3, 4]]]), tensor([1, 2]), 0), [
      3 / Math.sqrt(12.5),
      8 / Math.sqrt(12.5),
    ]);
  });

  test('modulate scales and shifts a layer norm or an RMS norm', () => {
    const x = tensor([[[1, 3]]]);
    const [shift, scale] = [tensor([[[10, 20]]]), tensor([[[0, 1]]])];
    near(modulate(x, { kind: 'layer', weight: null, eps: 0 }, shift, scale), [9, 22]);
    const rms = Math.sqrt(5);
    const spec = { kind: 'rms', weight: ones([2]), eps: 0 } as const;
    near(modulate(x, spec, shift, scale), [10 + 1 / rms, 20 + 6 / rms]);
  });

  test('a bfloat16 input is computed in float32 and rounded once', () => {
    const x = tensor([[[1, 2, 3, 5]]]).to('bfloat16');
    const zero = tensor([[[0, 0, 0, 0]]]);
    const out = modulate(x, { kind: 'layer', weight: null, eps: 1e-6 }, zero, zero);
    assert.equal(out.dtype, 'bfloat16');
    const exact = [1, 2, 3, 5].map((value) => (value - 2.75) / Math.sqrt(2.1875));
    assert.deepEqual([...out.toFloat32Array()], [...tensor(exact).to('bfloat16').toFloat32Array()]);
  });

  test('gatedAdd adds the gated branch', () => {
    const [x, gate, y] = [tensor([[[1, 1]]]), tensor([[[0, 2]]]), tensor([[[5, 5]]])];
    near(gatedAdd(x, gate, y), [1, 11]);
    near(gatedAdd(x.to('bfloat16'), gate, y.to('bfloat16')), [1, 11]);
  });

  test('geluTanh is the tanh form', () => {
    const gelu = (v: number) =>
      0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
    near(geluTanh(tensor([-2, -0.5, 0, 1, 3])), [-2, -0.5, 0, 1, 3].map(gelu));
  });

  test('rmsNormRope norms over all heads and turns pairs in each', () => {
    const x = tensor([[[1, 0, 0, 1]]]);
    const quarter = { cos: tensor([[0, 0]]), signedSin: tensor([[-1, 1]]) };
    const heads = rmsNormRope(x, { weight: ones([4]), eps: 0 }, 2, quarter);
    assert.deepEqual(heads.shape, [1, 2, 1, 2]);
    const s = Math.SQRT2;
    near(heads, [0, s, -s, 0]);
  });
});
