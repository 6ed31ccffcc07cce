import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { addNoise, velocityLosses } from '../../../src/diffusion/index.js';
import { Linear } from '../../../src/nn/index.js';
import { AdamW } from '../../../src/optim/index.js';
import { conditionOf, NOTHING, TASKS } from '../../../src/tasks/index.js';
import {
  cat,
  Generator,
  manualSeed,
  noGrad,
  randn,
  setThreads,
  type Tensor,
  tensor,
  tidy,
} from '../../../src/tensor/index.js';
import type { TrainSample } from '../../../src/train/feed/batch.js';
import { readOutcome } from '../../../src/train/loop/means.js';
import { asFlowMap, studentOf } from '../../../src/train/networks/distil.js';
import {
  type AverageAt,
  averageTarget,
  drawSteps,
  type FlowMapDraws,
  flowMapObjective,
  type VelocityAt,
} from '../../../src/train/networks/flow-map.js';
import { lossesOf, sendSamples, trainStep } from '../../../src/train/networks/step.js';
import type { FlowMapPlan } from '../../../src/train/recipe/config.js';
import { maxDifference } from '../../models/transformer/tiny.js';
import { CLIP, tinyBatch, tinyRecipe, tinyTrainee } from '../tiny.js';

const PLAN: FlowMapPlan = {
  flowShare: 0.5,
  cleanShare: 0.25,
  difference: 0.1,
  inferenceSteps: 4,
  velocity: 'teacher',
  guidance: {},
};

/**
 * A flow that is known in full: data from a normal distribution of standard deviation S, so at noise
 * level s everything is normal with variance (1 - s)² S² + s², and a point keeps its place in the
 * distribution: x_r = x_t · std(r) / std(t).
 */
const S = 0.4;
const std = (s: number) => Math.sqrt((1 - s) ** 2 * S ** 2 + s ** 2);
/** The velocity of a point is x · std'(s) / std(s). */
const slope = (s: number) => (s - (1 - s) * S ** 2) / std(s) ** 2;
/** The average velocity from t to r is x times this. */
const average = (t: number, r: number) => (t === r ? slope(t) : (1 - std(r) / std(t)) / (t - r));

const each = (sigmas: Tensor, of: (s: number) => number): Tensor =>
  tensor([...sigmas.toFloat32Array()].map(of)).view([sigmas.size(0), 1]);
const velocityAt: VelocityAt = (_, x, sigmas) => x.mul(each(sigmas, slope));
const averageAt: AverageAt = (_, x, from, to) => {
  const ends = to.toFloat32Array();
  return x.mul(
    tensor([...from.toFloat32Array()].map((t, i) => average(t, ends[i]!))).view([-1, 1]),
  );
};

describe('averageTarget', () => {
  // steps of all lengths: one to the end, short ones, none
  const sigmas = [1, 1, 0.9, 0.6, 0.55, 0.3, 0.08, 0.7];
  const ends = [0, 0.5, 0, 0.2, 0.5, 0, 0, 0.7];
  const draws = { sigmas: tensor(sigmas), ends: tensor(ends) };
  const x = randn([sigmas.length, 3], { generator: new Generator(1) });
  const truth = averageAt([], x, draws.sigmas, draws.ends);
  const targetOf = (rest: AverageAt, at: typeof draws, difference: number, noised = x) =>
    averageTarget(velocityAt([], noised, at.sigmas), velocityAt, rest, noised, at, difference);

  test('is the average velocity where the student is right already', () => {
    const off = (difference: number) =>
      maxDifference(targetOf(averageAt, draws, difference), truth);
    // Heun's method over 0.1; the flow turns most near sigma 0
    assert.ok(off(0.1) < 0.05, String(off(0.1)));
    // an error of second order
    assert.ok(off(0.025) < off(0.1) / 8, `${off(0.025)} of ${off(0.1)}`);
  });

  test('is the velocity itself for samples without a step', () => {
    const same = { sigmas: draws.sigmas, ends: draws.sigmas };
    const never: AverageAt = () => assert.fail('the student is asked');
    const target = targetOf(never, same, 0.1);
    assert.equal(maxDifference(target, velocityAt([], x, draws.sigmas)), 0);
  });

  test("holds less of the student's errors than the student does", () => {
    const wrong: AverageAt = (...given) => averageAt(...given).add(1);
    const target = targetOf(wrong, draws, 0.1);
    const error = target.sub(truth).abs().amax(1).toFloat32Array();
    sigmas.forEach((t, i) => {
      const long = t - ends[i]!;
      const share = long > 0.1 ? 1 - 0.1 / long : 0;
      assert.ok(Math.abs(error[i]! - share) < 0.05, `${i}: ${error[i]} of ${share}`);
    });
  });

  for (const from of ['a teacher', 'the data'])
    test(`is what a small network learns the whole flow map from, with ${from}`, async () => {
      setThreads(1);
      manualSeed(0);
      // from x, t and r to u / x, which here depends on t and r alone
      const [first, second, third] = [new Linear(4, 64), new Linear(64, 64), new Linear(64, 1)];
      const factor = (from: Tensor, to: Tensor) => {
        const long = from.sub(to);
        const inputs = cat(
          [from, to, long, from.mul(to)].map((one) => one.view([-1, 1])),
          1,
        );
        return third.forward(second.forward(first.forward(inputs).silu()).silu());
      };
      const learnt: AverageAt = (_, at, from, to) => at.mul(factor(from, to));
      const parameters = new Map(
        [first, second, third].flatMap((layer, i) =>
          [...layer.namedParameters()].map(([name, one]) => [`${i}.${name}`, one] as const),
        ),
      );
      const optimizer = new AdamW(parameters, {});
      const generator = new Generator(2);
      const [STEPS, BATCH] = [1000, 32];
      for (let step = 0; step < STEPS; step++) {
        tidy(() => {
          const data = randn([BATCH, 3], { generator }).mul(S);
          const noise = randn([BATCH, 3], { generator });
          const one = { latents: data, task: TASKS.t2v };
          const samples = Array.from({ length: BATCH }, (_, index) => ({ ...one, index }));
          const drawn = drawSteps(samples as never, { seed: 3, timestepShift: 1 }, step, PLAN);
          const noised = addNoise(data, noise, drawn.sigmas);
          const own: VelocityAt = (rows, at, level) => learnt(rows, at, level, level);
          const target = noGrad(() => {
            if (from === 'a teacher') return targetOf(learnt, drawn, 0.1, noised);
            // of the data where a step has no length, else the network's own
            const isFlow = drawn.sigmas.eq(drawn.ends).view([-1, 1]).to('float32');
            const start = own([], noised, drawn.sigmas);
            const rest = noise.sub(data).sub(start).mul(isFlow);
            return averageTarget(start.add(rest), own, learnt, noised, drawn, 0.1);
          });
          velocityLosses(learnt([], noised, drawn.sigmas, drawn.ends), target)
            .mean()
            .backward();
        });
        await optimizer.step({ learningRate: 5e-3 * (1 - step / STEPS), clipGradNorm: 1 });
        optimizer.zeroGrad();
      }
      const endOf = (levels: readonly number[]) =>
        noGrad(() =>
          levels.slice(1).reduce((scale, to, i) => {
            const from = levels[i]!;
            return scale * (1 - (from - to) * factor(tensor([from]), tensor([to])).item());
          }, 1),
        );
      for (const levels of [
        [1, 0],
        [1, 0.5, 0],
        [1, 0.75, 0.5, 0.25, 0],
      ]) {
        const got = endOf(levels);
        assert.ok(Math.abs(got - S) < 0.03, `${levels.length - 1} steps: ${got}, not ${S}`);
      }
    });
});

describe('drawSteps', () => {
  const { samples } = tinyBatch();
  const many = Array.from({ length: 400 }, (_, index) => ({ ...samples[0]!, index }));
  const drawn = (plan: object, timestepShift = 1): FlowMapDraws =>
    drawSteps(many, { seed: 1, timestepShift }, 2, { ...PLAN, ...plan });

  test('gives each kind of step its share', () => {
    const { sigmas, ends } = drawn({});
    const [from, to] = [sigmas.toFloat32Array(), ends.toFloat32Array()];
    const share = (is: (t: number, r: number) => boolean) =>
      from.filter((t, i) => is(t, to[i]!)).length / from.length;
    assert.ok(Math.abs(share((t, r) => t === r) - 0.5) < 0.06);
    assert.ok(Math.abs(share((_, r) => r === 0) - 0.25) < 0.06);
    assert.equal(
      share((t, r) => t >= r && r >= 0 && t <= 1),
      1,
    );
  });

  test('shifts both ends of a step alike', () => {
    const shift = (s: number) => (2.5 * s) / (1 + 1.5 * s);
    const [plain, shifted] = [drawn({}), drawn({}, 2.5)];
    for (const side of ['sigmas', 'ends'] as const) {
      const wanted = plain[side].toFloat32Array().map(shift);
      assert.ok(maxDifference(shifted[side], tensor([...wanted])) < 1e-6, side);
    }
  });

  test('does not depend on which other samples are drawn with a sample', () => {
    const [all, one] = [drawn({}), drawSteps([many[7]!], { seed: 1, timestepShift: 1 }, 2, PLAN)];
    for (const key of ['sigmas', 'ends', 'noise'] as const) {
      assert.equal(maxDifference(all[key].narrow(0, 7, 1), one[key]), 0, key);
    }
  });
});

describe('a flow map before its first step', () => {
  before(() => setThreads(1));

  test('predicts what its teacher does, to the bit, however long the step', () => {
    for (const dtype of ['float32', 'bfloat16'] as const) {
      const { pipeline } = tinyTrainee();
      const teacher = pipeline.transformer.toDtype(dtype);
      const student = asFlowMap(teacher, dtype);
      noGrad(() =>
        tidy(() => {
          const latents = randn([2, 16, 5, 6, 4], { generator: new Generator(4) });
          const inputs = {
            timesteps: tensor([900, 300]),
            motionScores: tensor([1, 2]),
            text: teacher.prepareText(randn([2, 3, 32]).to(dtype)),
            condition: teacher.prepareCondition(randn([2, 5, 17, 48, 32]).to(dtype)),
            rope: teacher.prepareRope(latents),
          };
          const wanted = teacher.forward(latents, inputs);
          for (const endTimesteps of [tensor([0, 0]), tensor([899, 100]), null]) {
            const got = student.forward(latents, { ...inputs, endTimesteps });
            assert.equal(maxDifference(got, wanted), 0, dtype);
          }
        }),
      );
    }
  });
});

describe('flowMapObjective', () => {
  const recipe = tinyRecipe(
    {},
    { pipeline: { guidanceScale: 1, taskSettings: { t2v: { guidanceScale: 3 } } } },
  );
  const trainee = tinyTrainee(recipe);
  const teacher = trainee.pipeline;
  const { pipeline: student } = studentOf(trainee, 4);
  const batch = tinyBatch([TASKS.t2v, TASKS.i2v, TASKS.vinp, TASKS.t2v, TASKS.d2v]);
  const STEP = { timestepShift: 1, gradCheckpointing: false, seed: 5, sequence: null };

  function outcome(plan: object = {}, changes: object = {}) {
    teacher.transformer.requiresGrad_(false);
    const objective = flowMapObjective(teacher, { ...PLAN, ...plan });
    const backward = (loss: Tensor | null) => loss?.backward();
    const at = { step: 3, backward };
    const { figures, work } = readOutcome(
      trainStep(student, batch, at, { ...STEP, ...changes }, objective),
    );
    const gradients = new Map(
      [...student.transformer.namedParameters()].map(([name, one]) => {
        const own = one.grad?.toFloat32Array() ?? null;
        one.grad = null;
        return [name, own] as const;
      }),
    );
    return { figures, work, gradients };
  }

  function expectSame(got: Map<string, Float32Array | null>, all: typeof got) {
    for (const [name, wanted] of all) {
      if (!wanted) continue;
      const values = got.get(name)!;
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
      const off = wanted.reduce((most, v, i) => Math.max(most, Math.abs(v - values[i]!)), 0);
      // float32 sums in another order
      assert.ok(off <= 1e-3 * largest, `${name}: ${off} of ${largest}`);
    }
  }

  before(() => setThreads(1));

  test('teaches only the guidance where steps have no length', () => {
    const { figures } = outcome({ flowShare: 1, cleanShare: 0 });
    assert.equal(figures['loss/i2v']!.sum, 0);
    assert.equal(figures['loss/vinp']!.sum, 0);
    assert.ok(figures['loss/t2v']!.sum > 0);
  });

  test('asks the teacher twice where it has guidance, and nobody more than needed', () => {
    // five samples, of which two are guided
    assert.equal(outcome({ flowShare: 1, cleanShare: 0 }).work.forwards, 7);
    const { work } = outcome({ flowShare: 0, cleanShare: 1, difference: 0.01 });
    assert.equal(work.forwards, 7 + 7 + 5);
  });

  test('reaches the embedding of the step, and nothing of the teacher', () => {
    const { gradients } = outcome({ flowShare: 0, cleanShare: 1 });
    const moved = gradients.get('time_embedder.delta_embedder.linear_2.weight')!;
    assert.ok(moved.some((value) => value !== 0));
    for (const one of teacher.transformer.parameters()) assert.equal(one.grad, null);
  });

  test('has the same gradients in micro-batches, and when blocks are computed a second time', () => {
    const whole = outcome();
    for (const changes of [{ tokensPerMicroBatch: 60 }, { gradCheckpointing: true }]) {
      const { gradients, work } = outcome({}, changes);
      assert.equal(work.forwards, whole.work.forwards);
      expectSame(gradients, whole.gradients);
    }
  });

  /** What the teacher's weights make of pure noise in one step, which moves by the velocity alone. */
  async function madeIn(noise: Tensor, sample: TrainSample, guidanceScale: number) {
    return teacher.denoise({
      latents: noise,
      task: sample.task,
      target: CLIP,
      seed: 0,
      numInferenceSteps: 1,
      prompts: [sample.caption],
      conditions: [conditionOf(NOTHING, CLIP, { scale: 'clip' })],
      motionScore: sample.motionScore,
      guidanceScale,
      negativePrompt: teacher.settingsFor(sample.task).negativePrompt,
    });
  }

  /** The loss of a sample at pure noise, where it learns the velocity. */
  function lossAt(noise: Tensor, sample: TrainSample, plan: object): number {
    const draws = { sigmas: tensor([1]), ends: tensor([1]), noise };
    const objective = flowMapObjective(teacher, { ...PLAN, ...plan });
    return noGrad(() => {
      const part = sendSamples(student, [sample], CLIP, draws);
      const whole = { samples: [sample], target: CLIP, step: 0 };
      return objective.losses(student, part, STEP, whole).losses.item();
    });
  }

  test('the guided velocity is that with which the teacher samples', async () => {
    const [sample] = batch.samples;
    const noise = randn(sample!.latents.shape, { generator: new Generator(8) });
    // the student's is the teacher's without guidance, so its loss is the mean square of the rest
    const [plain, guided] = [await madeIn(noise, sample!, 1), await madeIn(noise, sample!, 3)];
    const wanted = guided.sub(plain).square().mean().item();
    assert.ok(wanted > 0);
    const got = lossAt(noise, sample!, {});
    assert.ok(Math.abs(got - wanted) < 1e-3 * wanted, `${got}, not ${wanted}`);
  });

  describe('without a teacher', () => {
    const asked = { velocity: 'data' } as const;
    const guidance = { t2v: 3 };

    test('teaches the velocity of the data where steps have no length', () => {
      const { samples } = batch;
      const flow = { flowShare: 1, cleanShare: 0 };
      const objective = flowMapObjective(teacher, { ...PLAN, ...asked, ...flow });
      noGrad(() => {
        const part = sendSamples(student, samples, CLIP, drawSteps(samples, STEP, 3, flow));
        const whole = { samples, target: CLIP, step: 3 };
        const { losses, weights } = objective.losses(student, part, STEP, whole);
        assert.equal(weights, undefined);
        assert.equal(maxDifference(losses, lossesOf(student, part, STEP).losses), 0);
      });
    });

    test('asks nobody without need', () => {
      const flow = { ...asked, flowShare: 1, cleanShare: 0 };
      assert.equal(outcome(flow).work.forwards, 0);
      // with and without the prompt
      assert.equal(outcome({ ...flow, guidance }).work.forwards, 2 * 2);
      const clean = { ...asked, guidance, flowShare: 0, cleanShare: 1, difference: 0.01 };
      // at the start, at the middle, and the rest from there
      assert.equal(outcome(clean).work.forwards, 3 * 5);
    });

    test('has the same gradients in micro-batches', () => {
      const plan = { ...asked, guidance };
      const whole = outcome(plan);
      const { gradients } = outcome(plan, { tokensPerMicroBatch: 60 });
      expectSame(gradients, whole.gradients);
    });

    test('adds so much guidance to the velocity of the data that what is learnt has all of it', async () => {
      const [sample] = batch.samples;
      const noise = randn(sample!.latents.shape, { generator: new Generator(8) });
      const [plain, guided] = [await madeIn(noise, sample!, 1), await madeIn(noise, sample!, 3)];
      // u = v + (1 - 1/w) (u - u without the prompt) where u = w v - (w - 1) u without the prompt
      const guidanceOnce = plain.sub(guided).div(2);
      const target = noise.sub(sample!.latents).add(guidanceOnce.mul(1 - 1 / 3));
      const wanted = noise.sub(plain).sub(target).square().mean().item();
      const got = lossAt(noise, sample!, { ...asked, guidance });
      assert.ok(Math.abs(got - wanted) < 1e-3 * wanted, `${got}, not ${wanted}`);
      assert.notEqual(got, lossAt(noise, sample!, asked));
    });
  });
});
