import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  eulerStep,
  SchedulerConfig,
  SOLVERS,
  type SolverName,
  schedule,
  solverOf,
} from '../../src/diffusion/index.js';
import { Generator, memoryInfo, randn, type Tensor, tidy } from '../../src/tensor/index.js';

const [MEAN, SPREAD] = [0.7, 0.4];

/** The exact velocity where clean values are normal: E[e - x0 | x]. */
function velocity(x: Tensor, sigma: number): Tensor {
  const alpha = 1 - sigma;
  const variance = (alpha * SPREAD) ** 2 + sigma ** 2;
  const centred = x.sub(alpha * MEAN);
  return centred.mul((sigma - alpha * SPREAD ** 2) / variance).sub(MEAN);
}

/** Largest distance from where the exact flow takes the same noise. */
function errorOf(name: SolverName, steps: number): number {
  return tidy(() => {
    const noise = randn([64], { generator: new Generator(1) });
    const { sigmas } = schedule(SchedulerConfig.parse({ shift: 1 }), { numInferenceSteps: steps });
    const solver = solverOf(name);
    let x = noise;
    for (let i = 0; i < steps; i++) {
      x = solver.step(x, velocity(x, sigmas[i]!), { from: sigmas[i]!, to: sigmas[i + 1]! });
    }
    solver.dispose();
    return x.sub(noise.mul(SPREAD).add(MEAN)).abs().amax().item();
  });
}

describe('solvers', () => {
  test('all reach the exact flow as steps grow', () => {
    for (const name of SOLVERS)
      assert.ok(errorOf(name, 400) < 0.01, `${name} ${errorOf(name, 400)}`);
  });

  test('those of second order are far nearer at few steps', () => {
    const euler = errorOf('euler', 16);
    for (const name of ['dpm++', 'unipc'] as const) {
      const error = errorOf(name, 16);
      assert.ok(error < euler / 3, `${name} ${error}, euler ${euler}`);
    }
    assert.ok(errorOf('unipc', 32) < errorOf('dpm++', 32));
  });

  test('their first step, and one from pure noise, is an Euler step', () => {
    const x = randn([8], { generator: new Generator(2) });
    const v = velocity(x, 1);
    const wanted = eulerStep(x, v, { from: 1, to: 0.8 });
    for (const name of SOLVERS) {
      const solver = solverOf(name);
      const got = solver.step(x, v, { from: 1, to: 0.8 });
      assert.ok(got.sub(wanted).abs().amax().item() < 1e-6, name);
      solver.dispose();
    }
  });

  test('keep nothing once disposed', () => {
    const before = memoryInfo().tensors;
    for (const name of SOLVERS) errorOf(name, 5);
    assert.equal(memoryInfo().tensors, before);
  });
});
