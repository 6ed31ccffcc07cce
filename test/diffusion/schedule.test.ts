import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  customSigmas,
  dynamicShiftMu,
  SchedulerConfig,
  schedule,
  shiftSigma,
  sigmaRange,
} from '../../src/diffusion/index.js';
import { InputError } from '../../src/errors.js';

const near = (got: number, want: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(got - want) <= tolerance, `${got} is not ${want}`);

describe('schedule', () => {
  test('starts at 1, ends at 0 and falls all the way', () => {
    for (const shift of [1, 3, 12]) {
      const { sigmas } = schedule(SchedulerConfig.parse({ shift }), { numInferenceSteps: 30 });
      assert.equal(sigmas.length, 31);
      near(sigmas[0], 1);
      assert.equal(sigmas[30], 0);
      for (let i = 1; i < sigmas.length; i++) assert.ok(sigmas[i] < sigmas[i - 1]);
    }
  });

  test('shifts twice: once the end of the range, once every value', () => {
    const shift = 3;
    const { sigmas, timesteps } = schedule(SchedulerConfig.parse({ shift }), {
      numInferenceSteps: 8,
    });
    const end = (shift * 0.001) / (1 + (shift - 1) * 0.001);
    for (let i = 0; i < 8; i++) {
      const linear = 1 + ((end - 1) * i) / 7;
      near(sigmas[i], (shift * linear) / (1 + (shift - 1) * linear));
      near(timesteps[i], sigmas[i] * 1000, 1e-4);
    }
  });

  test('shifts own sigmas once and may end in two zeros', () => {
    const { sigmas } = schedule(SchedulerConfig.parse({ shift: 3 }), { sigmas: [1, 0.5, 0] });
    assert.deepEqual(sigmas, [1, 0.75, 0, 0]);
  });

  test('shifts by mu, exponentially or linearly', () => {
    const config = { use_dynamic_shifting: true };
    const call = { sigmas: [1, 0.5], mu: 1.15 };
    near(
      schedule(SchedulerConfig.parse(config), call).sigmas[1],
      Math.exp(1.15) / (Math.exp(1.15) + 1),
    );
    const linear = SchedulerConfig.parse({ ...config, time_shift_type: 'linear' });
    near(schedule(linear, call).sigmas[1], 1.15 / 2.15);
  });

  test('stretches to the terminal sigma', () => {
    const config = SchedulerConfig.parse({ shift_terminal: 0.1 });
    const { sigmas } = schedule(config, { numInferenceSteps: 5 });
    near(sigmas[0], 1);
    near(sigmas[4], 0.1);
  });

  test('of a flow map has steps of one length before the shift, the last to 0', () => {
    const of = (shift: number, numInferenceSteps: number) =>
      schedule(SchedulerConfig.parse({ _class_name: 'FlowMapEulerDiscreteScheduler', shift }), {
        numInferenceSteps,
      });
    assert.deepEqual(of(1, 4).sigmas, [1, 0.75, 0.5, 0.25, 0]);
    assert.deepEqual(of(1, 4).timesteps, [1000, 750, 500, 250]);
    assert.deepEqual(of(5, 1).sigmas, [1, 0]);
    // 5 s / (1 + 4 s)
    for (const [i, want] of [1, 15 / 16, 5 / 6, 5 / 8, 0].entries())
      near(of(5, 4).sigmas[i]!, want);
  });

  test('names what is wrong', () => {
    const config = SchedulerConfig.parse({});
    assert.throws(() => schedule(config, { numInferenceSteps: 0 }), /numInferenceSteps.*got 0/);
    assert.throws(() => schedule(config, { sigmas: [] }), InputError);
    const dynamic = SchedulerConfig.parse({ use_dynamic_shifting: true });
    assert.throws(() => schedule(dynamic, { numInferenceSteps: 4 }), /mu must be given/);
    assert.throws(() => SchedulerConfig.parse({ use_karras_sigmas: true }), /Karras/);
  });
});

describe('customSigmas', () => {
  test('shifts by 17 up to six tenths of the steps, then less', () => {
    const sigmas = customSigmas(10);
    assert.equal(sigmas[0], 1);
    assert.equal(sigmas[9], 0);
    near(sigmas[5], shiftSigma(4 / 9, 17));
    near(sigmas[8], shiftSigma(1 / 9, 17 * 0.5 + 7 * 0.5));
  });
});

test('dynamicShiftMu is linear between its two lengths', () => {
  const config = SchedulerConfig.parse({});
  near(dynamicShiftMu(256, config), 0.5);
  near(dynamicShiftMu(4096, config), 1.15);
});

test('sigmaRange is that of training', () => {
  const { sigmaMin, sigmaMax } = sigmaRange(SchedulerConfig.parse({ shift: 12 }));
  near(sigmaMin, 0.012 / 1.011);
  assert.equal(sigmaMax, 1);
});
