import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gatedAdd, geluTanh, linear, modulate, rmsNorm, rmsNormRope } from '../../src/nn/fused.js';
import {
  Generator,
  memoryInfo,
  ones,
  ops,
  randn,
  resetPeakMemory,
  type Tensor,
  tensor,
  tidy,
} from '../../src/tensor/index.js';

const near = (got: Tensor, want: number[]) =>
  got.toFloat32Array().forEach((value, i) => {
    assert.ok(Math.abs(value - want[i]) < 1e-5, `${value} is not ${want[i]}`);
  });

/** The result and the gradients of `inputs` for a gradient that differs from place to place. */
function withGradients(inputs: Tensor[], run: (inputs: Tensor[]) => Tensor): Tensor[] {
  const own = inputs.map((t) => t.detach().clone().requiresGrad_(true));
  const out = run(own);
  const random = randn(out.shape, { generator: new Generator(9) });
  out.to('float32').mul(random).sum().backward();
  return [out, ...own.map((t) => t.grad!)];
}

describe('linear', () => {
  const random = (seed: number, ...shape: number[]) =>
    randn(shape, { generator: new Generator(seed) });

  for (const dtype of ['float32', 'bfloat16'] as const) {
    test(`in ${dtype} equals the operator, and its gradients`, () => {
      for (const shape of [[7], [3, 7], [2, 300, 7]]) {
        const inputs = [random(1, ...shape, 20), random(2, 600, 20), random(3, 600)];
        const own = inputs.map((t) => t.to(dtype));
        const got = withGradients(own, ([x, weight, bias]) => linear(x!, weight!, bias!));
        const want = withGradients(own, ([x, weight, bias]) => ops.linear(x!, weight!, bias));
        got.forEach((value, i) => {
          assert.equal(value.dtype, dtype);
          const difference = value.to('float32').sub(want[i]!.to('float32')).abs().amax().item();
          const scale = want[i]!.to('float32').abs().amax().item() as number;
          assert.ok((difference as number) <= scale / 100, `${i}: off by ${difference}`);
        });
      }
    });
  }

  test('takes less memory for gradients of weights than they themselves', () => {
    const more = tidy(() => {
      const x = ones([64, 512], { dtype: 'bfloat16' });
      const weight = ones([4096, 512], { dtype: 'bfloat16' }).requiresGrad_(true);
      const sum = linear(x, weight, null).sum();
      resetPeakMemory();
      const before = memoryInfo().usedBytes;
      sum.backward();
      return (memoryInfo().peakBytes - before) / (2 * weight.numel);
    });
    assert.ok(more < 2, `${more} times the gradient`);
  });
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
