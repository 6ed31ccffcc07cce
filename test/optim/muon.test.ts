import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createOptimizer, Muon, type MuonOptions, orthogonalised } from '../../src/optim/index.js';
import { muonFlops } from '../../src/optim/muon-cost.js';
import { Generator, randn, type Tensor, tensor } from '../../src/tensor/index.js';

type Matrix = number[][];

const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));
const turned = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const mixed = (a: Matrix, s: number, b: Matrix, t: number): Matrix =>
  a.map((row, i) => row.map((value, j) => s * value + t * b[i]![j]!));

/** The published iteration in double precision: X ← aX + (bA + cA²)X with A = XXᵀ. */
function newtonSchulz(g: Matrix): Matrix {
  const isTall = g.length > g[0]!.length;
  const norm = Math.sqrt(g.flat().reduce((sum, value) => sum + value * value, 0));
  let x = (isTall ? turned(g) : g).map((row) => row.map((value) => value / (norm + 1e-7)));
  for (let i = 0; i < 5; i++) {
    const a = times(x, turned(x));
    const b = mixed(a, -4.775, times(a, a), 2.0315);
    x = mixed(x, 3.4445, times(b, x), 1);
  }
  return isTall ? turned(x) : x;
}

/** The published update, with Nesterov's momentum and decoupled weight decay. */
function muonByHand(
  w: Matrix,
  gradients: Matrix[],
  rate: number,
  o: Required<MuonOptions>,
): Matrix {
  const [rows, columns] = [w.length, w[0]!.length];
  const size =
    o.scale === 'original'
      ? Math.sqrt(Math.max(1, rows / columns))
      : 0.2 * Math.sqrt(Math.max(rows, columns));
  let momentum = w.map((row) => row.map(() => 0));
  let weights = w;
  for (const gradient of gradients) {
    momentum = mixed(momentum, o.momentum, gradient, 1 - o.momentum);
    const ahead = mixed(gradient, 1 - o.momentum, momentum, o.momentum);
    const lr = rate * o.learningRateFactor;
    weights = mixed(weights, 1 - lr * o.weightDecay, newtonSchulz(ahead), -lr * size);
  }
  return weights;
}

const matrix = (rows: number, columns: number, seed: number): Matrix => {
  const values = randn([rows * columns], { generator: new Generator(seed) }).toFloat32Array();
  return Array.from({ length: rows }, (_, i) => [...values.slice(i * columns, (i + 1) * columns)]);
};
const asTensor = (m: Matrix): Tensor => tensor(m.flat()).view([m.length, m[0]!.length]);
const parameterOf = (m: Matrix, dtype: 'float32' | 'bfloat16' = 'float32') =>
  asTensor(m).to(dtype).clone().keep().requiresGrad_();
const near = (got: Tensor, wanted: Matrix, tolerance: number) => {
  const flat = wanted.flat();
  got.toFloat32Array().forEach((value, i) => {
    assert.ok(Math.abs(value - flat[i]!) <= tolerance, `${value} is not ${flat[i]}`);
  });
};

describe('orthogonalised', () => {
  test('is the published iteration, wide or tall', () => {
    for (const [rows, columns] of [
      [4, 6],
      [6, 4],
      [5, 5],
    ] as const) {
      const g = matrix(rows, columns, rows);
      near(orthogonalised(asTensor(g), 'float32'), newtonSchulz(g), 1e-5);
      // rounding to 8 bits, five times
      near(orthogonalised(asTensor(g), 'bfloat16'), newtonSchulz(g), 0.1);
    }
  });

  test('brings all singular values near 1', () => {
    // of a diagonal matrix they are its values
    const x = orthogonalised(tensor([5, 0, 0, 0.5]).view([2, 2]), 'float32').toFloat32Array();
    assert.ok(Math.abs(x[1]!) < 1e-6);
    for (const value of [x[0]!, x[3]!]) assert.ok(value > 0.6 && value < 1.3, String(value));
    assert.equal(
      orthogonalised(tensor([0, 0]).view([1, 2]), 'float32')
        .abs()
        .amax()
        .item(),
      0,
    );
  });
});

describe('Muon', () => {
  const start = matrix(6, 4, 1);
  const gradients = [2, 3, 4].map((seed) => matrix(6, 4, seed));

  test('equals the published update over several steps', () => {
    for (const scale of ['original', 'matchAdamW'] as const) {
      const options = { momentum: 0.9, weightDecay: 0.1, scale, learningRateFactor: 2 };
      const w = parameterOf(start);
      const muon = new Muon(new Map([['w', w]]), options);
      for (const gradient of gradients) {
        const given = { gradients: new Map([['w', asTensor(gradient)]]), gradNorm: 1 };
        muon.step({ learningRate: 0.05 }, given);
      }
      near(w, muonByHand(start, gradients, 0.05, options), 1e-5);
    }
  });

  test('goes on from a saved state as if uninterrupted, in bfloat16 too', () => {
    const run = (interrupted: boolean) => {
      let w = parameterOf(start, 'bfloat16');
      let muon = new Muon(new Map([['w', w]]));
      gradients.forEach((gradient, i) => {
        if (interrupted && i === 1) {
          const saved = Object.fromEntries(
            Object.entries(muon.stateDict()).map(([key, value]) => [key, value.clone()]),
          );
          w = parameterOf(start, 'bfloat16');
          muon = new Muon(new Map([['w', w]]));
          muon.loadStateDict(saved);
        }
        const given = { gradients: new Map([['w', asTensor(gradient)]]), gradNorm: 1 };
        muon.step({ learningRate: 0.05 }, given);
      });
      return [...muon.masterWeights().get('w')!.toFloat32Array(), ...w.toFloat32Array()];
    };
    assert.deepEqual(run(true), run(false));
  });

  test('refuses what is no matrix, and a state of another optimizer', () => {
    assert.throws(
      () => new Muon(new Map([['b', tensor([1, 2])]])),
      /b must be a matrix, got \[2\]/,
    );
    const muon = new Muon(new Map([['w', parameterOf(start)]]));
    assert.throws(
      () => muon.loadStateDict({}),
      /must contain momentum\.w, but does not; a run keeps/,
    );
  });
});

describe('createOptimizer', () => {
  const start = matrix(3, 4, 1);
  const gradient = matrix(3, 4, 2);
  const names = new Set(['w']);

  function pair(plan: Parameters<typeof createOptimizer>[1]) {
    const [w, other] = [parameterOf(start), parameterOf(start)];
    const optimizer = createOptimizer(new Map(Object.entries({ other, w })), plan);
    for (const p of [w, other]) p.grad = asTensor(gradient);
    return { w, other, optimizer };
  }

  test('updates matrices by Muon and the rest by AdamW, clipped by the norm of all', () => {
    const both = pair({ muon: { names } });
    const alone = pair({});
    const results = [both, alone].map(({ optimizer }) =>
      optimizer.step({ learningRate: 0.1, clipGradNorm: 0.5 }),
    );
    assert.deepEqual(results[0], results[1]);
    assert.deepEqual(both.other.toFloat32Array(), alone.other.toFloat32Array());
    const defaults = { momentum: 0.95, weightDecay: 0.01, learningRateFactor: 1 };
    const byHand = muonByHand(start, [gradient], 0.1, { ...defaults, scale: 'matchAdamW' });
    near(both.w, byHand, 1e-5);
    assert.deepEqual(Object.keys(both.optimizer.stateDict()).sort(), [
      'average.other',
      'momentum.w',
      'square_average.other',
      'step',
    ]);
    assert.deepEqual([...both.optimizer.masterWeights().keys()], ['other', 'w']);
  });

  test('changes nothing when a gradient is no number', () => {
    const { w, other, optimizer } = pair({ muon: { names } });
    other.grad = asTensor(gradient).mul(Number.NaN);
    assert.equal(optimizer.step({ learningRate: 0.1 }).skipped, true);
    for (const p of [w, other]) near(p, start, 0);
    optimizer.zeroGrad();
    assert.equal(w.grad, null);
  });

  test('gives parameters a rate of their own', () => {
    const scaled = pair({ learningRateFactors: new Map([['w', 0.25]]) });
    const slow = pair({});
    scaled.optimizer.step({ learningRate: 0.1 });
    slow.optimizer.step({ learningRate: 0.025 });
    assert.deepEqual(scaled.w.toFloat32Array(), slow.w.toFloat32Array());
    assert.notDeepEqual(scaled.other.toFloat32Array(), slow.other.toFloat32Array());
  });
});

test('the cost of an update is that of its products', () => {
  // five times: 2x3 by 3x2, 2x2 by 2x2, 2x2 by 2x3
  assert.equal(muonFlops([3, 2]), 5 * 2 * (12 + 8 + 12));
  assert.equal(muonFlops([2, 3]), muonFlops([3, 2]));
});
