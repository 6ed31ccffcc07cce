import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Pipeline } from '../../../src/pipeline/index.js';
import { TASKS } from '../../../src/tasks/index.js';
import { setThreads, type Tensor } from '../../../src/tensor/index.js';
import type { StepBatch } from '../../../src/train/feed/batch.js';
import { readOutcome } from '../../../src/train/loop/means.js';
import { FLOW_MATCHING } from '../../../src/train/networks/flow-matching.js';
import { type StepPlan, stackConditions, trainStep } from '../../../src/train/networks/step.js';
import {
  type TrainedPipeline,
  trainableParameters,
} from '../../../src/train/networks/trained-pipeline.js';
import { CLIP, tinyBatch, tinyRecipe, tinyTrainee } from '../tiny.js';

/** 30 tokens a sample. */
const PLAN = { timestepShift: 1, gradCheckpointing: false, seed: 5, sequence: null };

/** Gradients of all parameters, by name; those that are none are left out. */
type Gradients = Map<string, Float32Array>;

interface Outcome {
  gradients: Gradients;
  figures: ReturnType<typeof trainStep>['figures'];
  /** was each call of `backward` the last one of the step? */
  lasts: boolean[];
  tokens: number;
}

function outcomeOf(
  parameters: ReadonlyMap<string, Tensor>,
  pipeline: Pipeline,
  batches: readonly StepBatch[],
  changes: Partial<StepPlan> = {},
  step = 3,
): Outcome {
  const lasts: boolean[] = [];
  const backward = (loss: Tensor | null, last: boolean) => {
    lasts.push(last);
    loss?.backward();
  };
  const outcomes = batches.map((batch) =>
    readOutcome(
      trainStep(pipeline, batch, { step, backward }, { ...PLAN, ...changes }, FLOW_MATCHING),
    ),
  );
  const gradients: Gradients = new Map();
  for (const [name, parameter] of parameters) {
    const { grad } = parameter;
    if (grad) gradients.set(name, grad.toFloat32Array());
    parameter.grad = null;
  }
  return { gradients, lasts, figures: outcomes[0]!.figures, tokens: outcomes[0]!.tokens! };
}

/** Equal but for the order of sums in float32: within 1e-4 of the largest of each parameter. */
function expectSame(got: Gradients, wanted: Gradients): void {
  assert.deepEqual([...got.keys()], [...wanted.keys()]);
  for (const [name, values] of wanted) {
    const own = got.get(name)!;
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0);
    assert.ok(off <= 1e-4 * largest, `${name}: ${off} of ${largest}`);
  }
}

describe('trainStep', () => {
  let trainee: TrainedPipeline;
  let parameters: Map<string, Tensor>;
  let batch: StepBatch;
  let whole: Outcome;
  const outcome = (batches: readonly StepBatch[], changes?: Partial<StepPlan>, step?: number) =>
    outcomeOf(parameters, trainee.pipeline, batches, changes, step);

  before(() => {
    setThreads(1);
    trainee = tinyTrainee();
    parameters = trainableParameters(trainee, tinyRecipe());
    batch = tinyBatch([TASKS.t2v, TASKS.i2v, TASKS.vinp, TASKS.t2v, TASKS.vsr]);
    whole = outcome([batch]);
  });

  test('reaches every network that is trained, in one pass where nothing bounds it', () => {
    assert.deepEqual(whole.lasts, [true]);
    assert.equal(whole.tokens, 5 * 30);
    const moved = [...whole.gradients].filter(([, values]) => values.some((value) => value !== 0));
    assert.equal(moved.length, parameters.size);
  });

  test('has the same gradients and figures in micro-batches', () => {
    for (const [tokensPerMicroBatch, lasts] of [
      [60, [false, false, true]],
      [89, [false, false, true]],
      // a sample is the least
      [1, [false, false, false, false, true]],
      [150, [true]],
    ] as const) {
      const parts = outcome([batch], { tokensPerMicroBatch });
      assert.deepEqual(parts.lasts, lasts, `${tokensPerMicroBatch} tokens`);
      expectSame(parts.gradients, whole.gradients);
      for (const [name, { sum, count }] of Object.entries(whole.figures)) {
        const own = parts.figures[name]!;
        assert.equal(own.count, count, name);
        assert.ok(Math.abs(own.sum - sum) < 1e-4 * sum, name);
      }
    }
  });

  test('has the same gradients when blocks are computed a second time', () => {
    const again = outcome([batch], { gradCheckpointing: true });
    expectSame(again.gradients, whole.gradients);
  });

  test('two halves, as two processes take them, sum to the gradients of the whole', () => {
    const halves = [0, 1].map((rank) => ({
      ...batch,
      samples: batch.samples.filter(({ index }) => index % 2 === rank),
    }));
    const sum = outcome(halves);
    assert.deepEqual(sum.lasts, [true, true]);
    expectSame(sum.gradients, whole.gradients);
  });

  describe('with tokens that skip blocks', () => {
    const tokenRouting = { share: 0.5, first: 1, last: 2 };
    const deep = tinyRecipe({ numLayers: 4, tokenRouting });
    let trained: TrainedPipeline;
    let weights: Map<string, Tensor>;
    const routed = (batches: readonly StepBatch[], changes?: Partial<StepPlan>) =>
      outcomeOf(weights, trained.pipeline, batches, { tokenRouting, ...changes });
    before(() => {
      trained = tinyTrainee(deep);
      weights = trainableParameters(trained, deep);
    });

    test('has the same gradients in micro-batches, halves and checkpointed blocks', () => {
      const all = routed([batch]);
      const halves = [0, 1].map((rank) => ({
        ...batch,
        samples: batch.samples.filter(({ index }) => index % 2 === rank),
      }));
      expectSame(routed([batch], { tokensPerMicroBatch: 60 }).gradients, all.gradients);
      expectSame(routed(halves).gradients, all.gradients);
      expectSame(routed([batch], { gradCheckpointing: true }).gradients, all.gradients);
    });

    test('other steps route other tokens, a share of 0 none', () => {
      const lossOf = ({ figures }: Outcome) => figures.loss!.sum;
      const plain = routed([batch], { tokenRouting: { share: 0, first: 1 } });
      const without = routed([batch], { tokenRouting: undefined });
      assert.deepEqual(plain.gradients, without.gradients);
      assert.equal(lossOf(plain), lossOf(without));
      assert.notEqual(lossOf(routed([batch])), lossOf(plain));
      // a share that is less than a token
      const few = routed([batch], { tokenRouting: { share: 0.01, first: 1 } });
      assert.equal(lossOf(few), lossOf(plain));
    });
  });

  test('a process without samples takes part with nothing', () => {
    const none = outcome([{ ...batch, samples: [] }]);
    assert.deepEqual([none.lasts, none.figures, none.tokens], [[true], {}, 0]);
    assert.equal(none.gradients.size, 0);
  });

  test('draws follow from seed and step, and from nothing else', () => {
    const lossOf = ({ figures }: Outcome) => figures.loss!.sum;
    assert.equal(lossOf(outcome([batch])), lossOf(whole));
    assert.notEqual(lossOf(outcome([batch], {}, 4)), lossOf(whole));
    assert.notEqual(lossOf(outcome([batch], { seed: 6 })), lossOf(whole));
  });

  test('tells losses by task and by noise level, which add up to the loss', () => {
    const { figures } = whole;
    const total = (pattern: RegExp) =>
      Object.entries(figures)
        .filter(([name]) => pattern.test(name))
        .reduce(([sum, n], [, one]) => [sum + one.sum, n + one.count], [0, 0] as number[]);
    for (const pattern of [/^loss\/\w+$/, /^loss\/sigma/]) {
      const [sum, count] = total(pattern);
      assert.equal(count, 5);
      assert.ok(Math.abs(sum! - figures.loss!.sum) < 1e-9, String(pattern));
    }
    assert.equal(figures['loss/t2v']!.count, 2);
  });

  test('a larger shift trains on more noise', () => {
    const sigmaBand = (timestepShift: number) => {
      const bands = Object.entries(outcome([batch], { timestepShift }).figures).flatMap(
        ([name, { count }]) =>
          name.startsWith('loss/sigma') ? [Number(name.slice(11, 15).split('-')[0]) * count] : [],
      );
      return bands.reduce((sum, band) => sum + band, 0);
    };
    assert.ok(sigmaBand(20) > sigmaBand(1), 'mean band');
  });
});

describe('the target of another sample', () => {
  const trained = tinyTrainee();
  const weights = trainableParameters(trained, tinyRecipe());
  const batch = tinyBatch([TASKS.t2v, TASKS.i2v, TASKS.vinp]);
  const of = (changes: Partial<StepPlan>, batches = [batch]) =>
    outcomeOf(weights, trained.pipeline, batches, changes);

  test('is kept at a distance, whatever the micro-batches', () => {
    const [plain, far] = [of({}), of({ contrast: 0.05 })];
    assert.deepEqual(far.figures, plain.figures); // the loss that is told stays that of the velocity
    assert.notDeepEqual(far.gradients, plain.gradients);
    expectSame(of({ contrast: 0.05, tokensPerMicroBatch: 30 }).gradients, far.gradients);
  });

  test('adds up to what the formula says, for a bias that all velocities share', () => {
    // d/db of (v - u)^2 - 0.05 (v - w)^2, summed: the targets w are those u of all samples, turned
    const name = 'transformer.proj_out_2.bias';
    const sum = (outcome: Outcome) => outcome.gradients.get(name)!;
    const [plain, far] = [sum(of({})), sum(of({ contrast: 0.05 }))];
    plain.forEach((value, i) => {
      assert.ok(Math.abs(far[i]! - 0.95 * value) < 1e-5, `${far[i]} and ${value}`);
    });
  });

  test('is there only if there is another sample', () => {
    const one = { ...batch, samples: batch.samples.slice(0, 1), count: 1 };
    assert.deepEqual(of({ contrast: 0.05 }, [one]).gradients, of({}, [one]).gradients);
  });
});

test('noise levels are shifted by task, by what it makes, or as all others', () => {
  const trained = tinyTrainee();
  const weights = trainableParameters(trained, tinyRecipe());
  const of = (timestepShift: StepPlan['timestepShift']) =>
    outcomeOf(weights, trained.pipeline, [tinyBatch([TASKS.t2v, TASKS.i2v])], { timestepShift })
      .figures;
  const [one, two] = [of(1), of(20)];
  const loss = (figures: Outcome['figures'], task: string) => figures[`loss/${task}`]!.sum;
  const both = of({ i2v: 20, video: 1, image: 7 });
  assert.equal(loss(both, 't2v'), loss(one, 't2v'));
  assert.equal(loss(both, 'i2v'), loss(two, 'i2v'));
  assert.deepEqual(of({ default: 20 }), two);
  assert.deepEqual(of({}), one);
});

describe('stackConditions', () => {
  const { pipeline } = tinyTrainee();

  test('samples of which nothing is known share a row', () => {
    const { samples } = tinyBatch([TASKS.t2v, TASKS.i2v, TASKS.t2v, TASKS.vinp]);
    const { conditions, rows } = stackConditions(samples, CLIP, pipeline);
    assert.deepEqual([...rows.toFloat32Array()], [0, 1, 0, 2]);
    assert.deepEqual(conditions.shape, [3, 5, 17, 48, 32]);
    assert.equal(conditions.select(0, 0).abs().amax().item(), 0);
    assert.ok(conditions.select(0, 1).select(0, 4).amax().item() === 1, 'known pixels');
  });

  test('where something is known of all, each has a row and there are no others', () => {
    const { samples } = tinyBatch([TASKS.i2v, TASKS.vinp]);
    const { conditions, rows } = stackConditions(samples, CLIP, pipeline);
    assert.deepEqual([...rows.toFloat32Array()], [0, 1]);
    assert.equal(conditions.size(0), 2);
  });
});
