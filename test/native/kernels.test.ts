import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  call,
  type DType,
  Generator,
  grad,
  noGrad,
  ones,
  ops,
  randn,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../../src/tensor/index.js';

/** Largest error over the largest value: float32 sums in another order (sharp softmax: 3e-6), bf16 roundings. */
const TOLERANCE = { float32: 1e-5, bfloat16: 1.5e-2 } as const;
const DTYPES = ['float32', 'bfloat16'] as const;

type Formula = (...inputs: Tensor[]) => Tensor;

/** Values and gradients of `kernel` against those of `plain`, computed in float64. */
function expectSame(dtype: DType, inputs: Tensor[], kernel: Formula, plain: Formula): void {
  tidy(() => {
    const generator = new Generator(9);
    let upstream: Tensor | null = null;
    const run = (formula: Formula, type: DType) => {
      const leaves = inputs.map((t) => t.detach().to(type).detach().requiresGrad_(true));
      const out = formula(...leaves);
      upstream ??= randn(out.shape, { generator }).to(dtype);
      return [out, ...grad([out], leaves, { gradOutputs: [upstream.to(type)] })];
    };
    const got = run(kernel, dtype);
    const rounded = inputs.map((t) => t.to(dtype).to('float64'));
    inputs = rounded;
    const want = run(plain, 'float64');
    got.forEach((value, i) => {
      const [a, b] = [value!.to('float64'), want[i]!];
      assert.deepEqual(a.shape, b.shape);
      const error = a.sub(b).abs().amax().item() / b.abs().amax().item();
      const what = i === 0 ? 'value' : `gradient ${i - 1}`;
      const limit = TOLERANCE[dtype as keyof typeof TOLERANCE];
      assert.ok(error <= limit, `${what} in ${dtype}: error ${error}`);
    });
  });
}

const generator = new Generator(3);
const random = (...shape: number[]) => randn(shape, { generator });

describe('mfm::norm_modulate', () => {
  for (const dtype of DTYPES) {
    for (const rms of [true, false]) {
      for (const d of [64, 70]) {
        test(`equals its formula: ${dtype}, ${rms ? 'RMS' : 'layer'} norm, width ${d}`, () => {
          const x = random(3, 37, d).add(0.5);
          const weight = random(d).mul(0.2).add(1);
          expectSame(
            dtype,
            [x, weight, random(3, 1, d), random(3, 1, d)],
            (...[a, w, shift, scale]) => call('mfm::norm_modulate', a, w, shift, scale, 1e-6, rms),
            (a, w, shift, scale) => {
              const centred = rms ? a : a.sub(a.mean([-1], true));
              const rstd = centred.square().mean([-1], true).add(1e-6).rsqrt();
              return centred.mul(rstd).mul(w).mul(scale.add(1)).add(shift);
            },
          );
        });
      }
    }
  }

  test('refuses a shift of another width', () => {
    const bad = () =>
      call('mfm::norm_modulate', zeros([2, 3, 8]), null, zeros([2, 1, 6]), null, 1e-6, true);
    assert.throws(bad, /shift and scale must be/);
  });
});

describe('mfm::rms_norm_rope', () => {
  for (const dtype of DTYPES) {
    for (const acrossHeads of [true, false]) {
      test(`equals its formula: ${dtype}, norm ${acrossHeads ? 'across heads' : 'per head'}`, () => {
        const [b, l, n, k] = [2, 33, 3, 24];
        const angles = random(l, k / 2).repeatInterleave(2, 1);
        const cos = angles.cos();
        const sin = angles.sin().mul(tensor([-1, 1]).repeat([k / 2]));
        const width = acrossHeads ? n * k : k;
        expectSame(
          dtype,
          [random(b, l, n, k), random(width).mul(0.2).add(1)],
          (x, weight) => call('mfm::rms_norm_rope', x, weight, cos, sin, 1e-6),
          (x, weight) => {
            const rows = x.reshape([b, l, -1, width]);
            const rstd = rows.square().mean([-1], true).add(1e-6).rsqrt();
            const heads = rows.mul(rstd).mul(weight).view([b, l, n, k]).transpose(1, 2);
            const swapped = heads
              .view([b, n, l, k / 2, 2])
              .flip([-1])
              .flatten(-2);
            return heads.mul(cos.to('float64')).add(swapped.mul(sin.to('float64')));
          },
        );
      });
    }
  }
});

describe('what the operators refuse', () => {
  const dtype = 'bfloat16'; // our own convolution, where the CPU has the instructions for it
  const some = (...shape: number[]) => ones(shape, { dtype });
  const conv = (weight: number[], bias: number | null, stride = 1, padding = 0) =>
    call(
      ...(['mfm::clip_conv', some(1, 1, 8, 4, 4), null, some(...weight)] as const),
      ...([bias === null ? null : some(bias), stride, padding] as const),
    );
  const norm = (frames: number, scale: number | null, groups = 2) => {
    const clip = (t: number) => some(t, 1, 8, 4, 4);
    const [low, one] = [scale === null ? null : clip(scale), some(8)];
    return call('mfm::clip_norm', clip(frames), one, one, low, low, groups, 1e-6, false);
  };
  const rope = (shape: number[], weight: number, cos: number[] | null) => {
    const table = cos && ones(cos);
    return call('mfm::rms_norm_rope', some(...shape), some(weight), table, table, 1e-6);
  };

  test('clip_conv: kernels, biases, strides and paddings that do not fit', () => {
    assert.deepEqual(conv([8, 8, 1, 3, 3], 8, 2, 1).shape, [1, 1, 8, 2, 2]);
    assert.throws(() => conv([8, 8, 1, 3, 1], 8), /weight must be .*, k, k\]/);
    assert.throws(() => conv([8, 8, 1, 0, 0], 8), /weight must be/);
    assert.throws(() => conv([8, 8, 1, 3, 3], 1), /bias must be \[8\], got \[1\]/);
    assert.throws(() => conv([8, 8, 1, 5, 5], null), /must be at least 5 high and wide/);
    for (const stride of [0, -1, 2 ** 40]) {
      assert.throws(() => conv([8, 8, 1, 1, 1], null, stride), /stride must be from 1/);
    }
    for (const padding of [-1, 3, 2 ** 62]) {
      assert.throws(() => conv([8, 8, 1, 3, 3], null, 1, padding), /padding must be from 0/);
    }
  });

  test('clip_norm: one frame of scale for an odd clip, and no groups', () => {
    assert.deepEqual(norm(4, 1).shape, [4, 1, 8, 4, 4]);
    assert.deepEqual(norm(3, 2).shape, [3, 1, 8, 4, 4]);
    assert.throws(() => norm(3, 1), /need at least 2, got 1/);
    assert.throws(() => norm(2, null, 0), /in 0 groups/);
  });

  test('rms_norm_rope: no channels, and an odd number of them to turn', () => {
    assert.deepEqual(rope([1, 2, 3, 5], 5, null).shape, [1, 3, 2, 5]);
    assert.throws(() => rope([1, 2, 3, 0], 0, null), /with heads and channels/);
    assert.throws(() => rope([1, 2, 0, 4], 4, null), /with heads and channels/);
    assert.throws(() => rope([1, 2, 3, 5], 5, [2, 5]), /K must be even, got 5/);
  });
});

describe('pointwise operators', () => {
  for (const dtype of DTYPES) {
    const tanh: Formula = (x) => x.gelu({ approximate: 'tanh' });
    test(`mfm::gelu_tanh equals its formula: ${dtype}`, () => {
      expectSame(dtype, [random(3, 7, 33).mul(3)], (x) => call('mfm::gelu_tanh', x), tanh);
    });

    test(`mfm::silu equals its formula: ${dtype}`, () => {
      expectSame(
        dtype,
        [random(3, 7, 33).mul(3)],
        (x) => call('mfm::silu', x),
        (x) => x.silu(),
      );
    });

    test(`mfm::gated_add equals its formula: ${dtype}`, () => {
      expectSame(
        dtype,
        [random(3, 37, 33), random(3, 37, 33), random(3, 1, 33)],
        (residual, x, gate) => call('mfm::gated_add', residual, x, gate),
        (residual, x, gate) => residual.add(x.mul(gate)),
      );
    });
  }

  test('mfm::silu keeps channels-last memory', () => {
    const x = random(2, 8, 4, 4).contiguous({ memoryFormat: 'channelsLast' });
    const y = call('mfm::silu', x);
    assert.deepEqual(y.sub(x.silu()).abs().amax().item() < 1e-6, true);
    assert.deepEqual(y.permute([0, 2, 3, 1]).isContiguous, x.permute([0, 2, 3, 1]).isContiguous);
  });
});

describe('mfm::attention', () => {
  const plain =
    (mask: Tensor | null, scale: number): Formula =>
    (q, k, v) => {
      const scores = q.matmul(k.transpose(-1, -2)).mul(scale);
      return (mask ? scores.add(mask.to('float64')) : scores).softmax(-1).matmul(v);
    };
  // lengths around the kernel's steps of 32 and blocks of 256; a gain that needs the running maximum
  const cases = [
    { width: 64, queries: 80, keys: 80, gain: 1 },
    { width: 64, queries: 33, keys: 300, gain: 1 },
    { width: 64, queries: 300, keys: 270, gain: 2.5 },
    { width: 16, queries: 20, keys: 31, gain: 1 },
    { width: 24, queries: 40, keys: 7, gain: 1 },
    { width: 128, queries: 70, keys: 90, gain: 1 },
    { width: 96, queries: 290, keys: 530, gain: 1 },
  ];
  for (const dtype of DTYPES) {
    for (const { width, queries, keys, gain } of cases) {
      for (const masked of [false, true]) {
        const name = `${queries} x ${keys}, width ${width}, gain ${gain}${masked ? ', masked' : ''}`;
        test(`equals its formula: ${dtype}, ${name}`, () => {
          const heads = (l: number) => random(2, l, 3, width).transpose(1, 2);
          const mask = masked ? zeros([2, 1, 1, keys]) : null;
          mask
            ?.select(0, 1)
            .narrow(-1, keys >> 1, keys - (keys >> 1))
            .fill_(-10_000);
          const scale = 1 / Math.sqrt(width);
          expectSame(
            dtype,
            [heads(queries).mul(gain), heads(keys).mul(gain), heads(keys)],
            (q, k, v) => call('mfm::attention', q, k, v, mask, scale),
            plain(mask, scale),
          );
        });
      }
    }
  }

  for (const { dtype, gain, masked } of [
    { dtype: 'float32', gain: 1, masked: false },
    { dtype: 'bfloat16', gain: 3, masked: false },
    { dtype: 'bfloat16', gain: 1, masked: true },
  ] as const) {
    test(`keeps NaN in a query, and to that query: ${dtype}${masked ? ', masked' : ''}`, () => {
      const [row, length, width] = [5, 40, 64];
      // with this gain or a mask, the other queries are computed in the same way without the NaN
      const inputs = [gain, gain, 1].map((g) => random(1, 2, length, width).mul(g).to(dtype));
      const mask = masked ? zeros([1, 1, 1, length]) : null;
      const run = (q: Tensor) => {
        const leaves = [q, inputs[1]!, inputs[2]!].map((t) => t.detach().requiresGrad_(true));
        const out = call('mfm::attention', ...leaves, mask, 0.125);
        const plainOut = noGrad(() => call('mfm::attention', ...leaves, mask, 0.125));
        const gradOutputs = [ones(out.shape).to(dtype)];
        const [dq, dk, dv] = grad([out], leaves, { gradOutputs });
        return { out, plainOut, dq: dq!, dk: dk!, dv: dv! };
      };
      const damaged = inputs[0]!.clone();
      damaged.select(1, 1).narrow(1, row, 1).narrow(2, 3, 1).fill_(NaN);
      const [got, want] = [run(damaged), run(inputs[0]!)];
      for (const name of ['out', 'plainOut', 'dq'] as const) {
        const [a, b] = [got[name].contiguous().toArray(), want[name].contiguous().toArray()];
        a.forEach((value, i) => {
          if (Math.floor(i / width) === length + row) assert.ok(Number.isNaN(value), name);
          else assert.equal(value, b[i], name);
        });
      }
      for (const name of ['dk', 'dv'] as const) {
        const [whole, hurt] = [0, 1].map((head) => got[name].select(1, head).toFloat32Array());
        assert.ok(whole!.every(Number.isFinite), name);
        assert.ok(hurt!.every(Number.isNaN), name);
      }
    });
  }

  test('keeps NaN in a key', () => {
    const [q, k, v] = [0, 1, 2].map(() => random(1, 1, 40, 64).to('bfloat16'));
    k!.select(2, 7).narrow(2, 3, 1).fill_(NaN);
    const out = call('mfm::attention', q, k, v, null, 0.125);
    assert.ok(out.toFloat32Array().every(Number.isNaN));
  });

  test('of nothing is nothing', () => {
    const q = zeros([0, 2, 4, 8], { dtype: 'bfloat16' });
    assert.deepEqual(call('mfm::attention', q, q, q, null, 1).shape, [0, 2, 4, 8]);
  });

  test('gives the same whatever the number of heads beside it', () => {
    const [q, k, v] = [0, 1, 2].map(() => random(1, 2, 600, 64).to('bfloat16'));
    const both = call('mfm::attention', q, k, v, null, 0.125);
    const part = (t: Tensor) => t.narrow(1, 1, 1);
    const one = call('mfm::attention', part(q), part(k), part(v), null, 0.125);
    assert.deepEqual(one.toArray(), part(both).contiguous().toArray());
  });

  test('refuses keys and values of different shapes', () => {
    const q = zeros([1, 1, 4, 8]);
    assert.throws(() => call('mfm::attention', q, q, zeros([1, 1, 5, 8]), null, 1), /k and v/);
  });
});

describe('mfm::adamw_', () => {
  test('follows the formula for five steps, with clipping, and refreshes the bf16 copies', () => {
    const weight = random(1000);
    const expected = { w: weight.to('float64'), m: zeros([1000]), v: zeros([1000]) };
    const [m, v] = [zeros([1000]), zeros([1000])];
    const copy = weight.to('bfloat16');
    for (let step = 1; step <= 5; step++) {
      const g = random(1000).to('bfloat16');
      call('mfm::adamw_', [weight], [g], [m], [v], [copy], 0.01, 0.9, 0.95, 1e-8, 0.1, step, 0.7);
      const scaled = g.to('float64').mul(0.7);
      expected.m = expected.m.mul(0.9).add(scaled.mul(0.1));
      expected.v = expected.v.mul(0.95).add(scaled.square().mul(0.05));
      const root = expected.v
        .div(1 - 0.95 ** step)
        .sqrt()
        .add(1e-8);
      const update = expected.m.div(1 - 0.9 ** step).div(root);
      expected.w = expected.w.mul(1 - 0.01 * 0.1).sub(update.mul(0.01));
    }
    assert.ok(weight.to('float64').sub(expected.w).abs().amax().item() < 1e-5);
    assert.deepEqual(copy.toArray(), weight.to('bfloat16').toArray());
  });

  test('mfm::grad_norm is the norm of all together', () => {
    const [a, b] = [random(5000), random(7, 9).to('bfloat16')];
    const want = ops
      .cat([a.to('float64'), b.to('float64').flatten()])
      .square()
      .sum()
      .sqrt()
      .item();
    assert.ok(Math.abs(call('mfm::grad_norm', [a, b]).item() / want - 1) < 1e-6);
  });
});
