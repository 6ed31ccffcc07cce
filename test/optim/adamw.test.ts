import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdamW } from '../../src/optim/index.js';
import { fromArray, memoryInfo, type Tensor, tensor, tidy } from '../../src/tensor/index.js';

/** A parameter with a gradient of our choice. */
function parameter(values: number[], dtype: 'float32' | 'bfloat16' = 'float32'): Tensor {
  return tensor(values).to(dtype).keep().requiresGrad_();
}

function giveGradient(p: Tensor, values: number[]): void {
  p.grad = tensor(values).to(p.dtype);
}

/** The textbook update of one number. */
function scalarAdamW(w: number, gradients: number[], lr: number, decay: number): number {
  let [m, v] = [0, 0];
  gradients.forEach((g, i) => {
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const [mHat, vHat] = [m / (1 - 0.9 ** (i + 1)), v / (1 - 0.999 ** (i + 1))];
    w -= lr * decay * w;
    w -= (lr * mHat) / (Math.sqrt(vHat) + 1e-8);
  });
  return w;
}

const close = (got: number, want: number, tolerance: number) =>
  assert.ok(Math.abs(got - want) <= tolerance, `${got} is not ${want}`);

describe('AdamW', () => {
  test('takes gradients and a norm that are kept elsewhere', () => {
    const p = parameter([1, 1]);
    const idle = parameter([5]);
    giveGradient(p, [100, 100]);
    const optimizer = new AdamW(new Map(Object.entries({ p, idle })), { weightDecay: 0.1 });
    const given = { gradients: new Map([['p', tensor([0.5, -0.25])]]), gradNorm: 4 };
    const { gradNorm } = optimizer.step({ learningRate: 0.01, clipGradNorm: 1 }, given);
    assert.equal(gradNorm, 4);
    const [a] = p.toFloat32Array();
    close(a!, scalarAdamW(1, [0.5 / 4], 0.01, 0.1), 1e-6);
    assert.equal(idle.item(), 5);
    const skipped = optimizer.step({ learningRate: 1, skipAbove: 3 }, given);
    assert.deepEqual(skipped, { gradNorm: 4, skipped: true });
  });

  test('equals the scalar formula', () => {
    const p = parameter([1, -2]);
    const optimizer = new AdamW(new Map([['p', p]]), { weightDecay: 0.1 });
    const gradients = [0.5, -0.25, 3, 0.125];
    for (const g of gradients) {
      giveGradient(p, [g, 2 * g]);
      optimizer.step({ learningRate: 0.01 });
    }
    const [a, b] = p.toFloat32Array();
    close(a, scalarAdamW(1, gradients, 0.01, 0.1), 1e-6);
    close(
      b,
      scalarAdamW(
        -2,
        gradients.map((g) => 2 * g),
        0.01,
        0.1,
      ),
      1e-6,
    );
    assert.equal(optimizer.steps, 4);
  });

  test('keeps what bfloat16 rounds away in float32 masters', () => {
    const p = parameter([1], 'bfloat16');
    const optimizer = new AdamW(new Map([['p', p]]), { weightDecay: 0 });
    for (let i = 0; i < 100; i++) {
      giveGradient(p, [1]);
      // far below bfloat16's spacing of 1/128 at 1
      optimizer.step({ learningRate: 1e-4 });
    }
    close(optimizer.masterWeights().get('p')!.item(), 0.99, 1e-5);
    close(p.item(), 0.99, 1 / 256);
    assert.equal(p.dtype, 'bfloat16');
  });

  test('clips by the global norm and returns the norm before', () => {
    const [p, q] = [parameter([0]), parameter([0])];
    const optimizer = new AdamW(
      new Map([
        ['p', p],
        ['q', q],
      ]),
      { weightDecay: 0, eps: 1 },
    );
    giveGradient(p, [3]);
    giveGradient(q, [4]);
    const { gradNorm } = optimizer.step({ learningRate: 1, clipGradNorm: 1 });
    close(gradNorm, 5, 1e-6);
    // with eps 1 the first step is g / (|g| + 1)
    close(p.item(), -0.6 / 1.6, 1e-5);
    close(q.item(), -0.8 / 1.8, 1e-5);
  });

  test('gives groups their own options', () => {
    const [p, q] = [parameter([1]), parameter([1])];
    const optimizer = new AdamW([
      { parameters: new Map([['p', p]]), weightDecay: 0.5 },
      { parameters: new Map([['q', q]]), weightDecay: 0 },
    ]);
    giveGradient(p, [0]);
    giveGradient(q, [0]);
    optimizer.step({ learningRate: 0.1 });
    close(p.item(), 0.95, 1e-6);
    close(q.item(), 1, 1e-6);
  });

  test('changes nothing when a gradient is not finite', () => {
    const p = parameter([1]);
    const optimizer = new AdamW(new Map([['p', p]]));
    giveGradient(p, [Number.NaN]);
    const { skipped } = optimizer.step({ learningRate: 0.1 });
    assert.equal(skipped, true);
    assert.equal(p.item(), 1);
    assert.equal(optimizer.steps, 0);
  });

  test('goes on in another dtype than it began in', () => {
    const trained = (from: 'float32' | 'bfloat16', to: 'float32' | 'bfloat16') => {
      const begun = parameter([1], from);
      const first = new AdamW(new Map([['p', begun]]), { weightDecay: 0 });
      giveGradient(begun, [1]);
      first.step({ learningRate: 1e-4 });
      const p = parameter([begun.item()], to);
      const second = new AdamW(new Map([['p', p]]), { weightDecay: 0 });
      second.loadStateDict(first.stateDict());
      giveGradient(p, [1]);
      second.step({ learningRate: 1e-4 });
      assert.equal(p.dtype, to);
      return second.masterWeights().get('p')!.item();
    };
    // what bfloat16 would have rounded away is there
    close(trained('bfloat16', 'float32'), 0.9998, 1e-6);
    close(trained('float32', 'bfloat16'), 0.9998, 2e-3);
  });

  test('goes on from a saved state as if uninterrupted', () => {
    const run = (interrupted: boolean) => {
      let p = parameter([1, 2], 'bfloat16');
      let optimizer = new AdamW(new Map([['p', p]]));
      for (let i = 0; i < 6; i++) {
        if (interrupted && i === 3) {
          const saved = Object.fromEntries(
            Object.entries(optimizer.stateDict()).map(([key, value]) => [key, value.clone()]),
          );
          p = parameter([0, 0], 'bfloat16');
          optimizer = new AdamW(new Map([['p', p]]));
          optimizer.loadStateDict(saved);
        }
        giveGradient(p, [i - 2, 1]);
        optimizer.step({ learningRate: 0.05 });
      }
      return [...optimizer.masterWeights().get('p')!.toFloat32Array(), ...p.toFloat32Array()];
    };
    assert.deepEqual(run(true), run(false));
  });

  test('refuses a state without one of its tensors', () => {
    const optimizer = new AdamW(new Map([['p', parameter([1])]]));
    assert.throws(() => optimizer.loadStateDict({}), /must contain average\.p/);
  });

  test('holds no more memory after many steps', () => {
    const p = fromArray(new Float32Array(1000), [1000]).clone().keep().requiresGrad_();
    const optimizer = new AdamW(new Map([['p', p]]));
    const step = () =>
      tidy(() => {
        p.square().sum().backward();
        optimizer.step({ learningRate: 0.1, clipGradNorm: 1 });
        optimizer.zeroGrad();
      });
    step();
    const before = memoryInfo().tensors;
    for (let i = 0; i < 20; i++) step();
    assert.equal(memoryInfo().tensors, before);
  });
});
