import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { TASKS } from '../../../src/tasks/index.js';
import {
  arange,
  Generator,
  randn,
  setThreads,
  type Tensor,
  tensor,
  zeros,
} from '../../../src/tensor/index.js';
import type { TrainSample } from '../../../src/train/feed/batch.js';
import { readOutcome } from '../../../src/train/loop/means.js';
import { type AlignmentHead, alignmentHead } from '../../../src/train/networks/alignment.js';
import { FLOW_MATCHING } from '../../../src/train/networks/flow-matching.js';
import { trainStep } from '../../../src/train/networks/step.js';
import { trainableParameters } from '../../../src/train/networks/trained-pipeline.js';
import type { Stage } from '../../../src/train/recipe/config.js';
import { tinyBatch, tinyRecipe, tinyTrainee } from '../tiny.js';

/** Four blocks, of which the second is aligned; three blocks can be skipped. */
const recipe = tinyRecipe({ numLayers: 4, alignment: { weight: 0.5, block: 1 } });

describe('AlignmentHead', () => {
  test('compares with the patch of each token by a smooth L1 loss', () => {
    const head = alignmentHead(recipe, tinyTrainee(recipe).pipeline.transformer)!;
    // 16 channels, 1 frame of 4 x 4: tokens of 2 x 2
    const latents = arange(0, 256, 1).to('float32').div(100).view([1, 16, 1, 4, 4]);
    const { probe, losses } = head.reading(1, [{ latents } as TrainSample]);
    const values = randn([1, 2, 64], { generator: new Generator(1) });
    const places = arange(1, 5, 2).view([1, 2]); // the tokens of the right column
    probe.receive(values, places);
    const given = values.toFloat32Array();
    let sum = 0;
    for (const [row, token] of [0, 1].entries()) {
      for (let i = 0; i < 64; i++) {
        const [channel, y, x] = [i >> 2, (i >> 1) & 1, i & 1];
        const clean = (channel * 16 + (2 * token + y) * 4 + 2 + x) / 100;
        const off = Math.abs(given[row * 64 + i]! - clean);
        sum += off < 0.05 ? off ** 2 / 0.1 : off - 0.025;
      }
    }
    assert.ok(Math.abs(losses().item() - sum / 128) < 1e-5);
  });

  test('predicts what tokens of scenes show, and nothing of other samples', () => {
    const scenes = tinyRecipe({ numLayers: 4, alignment: { weight: 0.5, to: 'scene' } });
    const head = alignmentHead(scenes, tinyTrainee(scenes).pipeline.transformer)!;
    const latents = zeros([1, 16, 1, 4, 4]);
    const labels = Float32Array.from({ length: 4 * 6 }, (_, i) => i / 10);
    const samples = [{ latents, labels }, { latents }] as TrainSample[];
    const { probe, known, losses } = head.reading(1, samples);
    const values = tensor([...labels, ...labels])
      .view([2, 4, 6])
      .add(1);
    probe.receive(values, null);
    assert.deepEqual(known, [true, false]);
    const [own, none] = losses().toFloat32Array();
    assert.ok(Math.abs(own! - 0.975) < 1e-6); // off by 1: 1 - 0.05 / 2
    assert.equal(none, 0);
  });

  test('is there only where a stage aligns', () => {
    const none = tinyRecipe({ alignment: { weight: 0, block: 0 } });
    assert.equal(alignmentHead(none, tinyTrainee(none).pipeline.transformer), null);
  });
});

describe('a step with alignment', () => {
  const trainee = tinyTrainee(recipe);
  const { pipeline } = trainee;
  let head: AlignmentHead;
  let parameters: Map<string, Tensor>;
  before(() => {
    setThreads(1);
    head = alignmentHead(recipe, pipeline.transformer)!;
    parameters = new Map([...trainableParameters(trainee, recipe), ...head.namedParameters()]);
  });
  const batch = tinyBatch([TASKS.t2v, TASKS.i2v, TASKS.vinp]);

  function outcome(plan: Partial<Stage>) {
    const step = trainStep(
      pipeline,
      batch,
      { step: 1, backward: (loss) => loss?.backward() },
      {
        timestepShift: 1,
        gradCheckpointing: false,
        seed: 5,
        sequence: null,
        alignmentHead: head,
        ...plan,
      },
      FLOW_MATCHING,
    );
    const { figures } = readOutcome(step);
    const gradients = new Map<string, Float32Array>();
    for (const [name, parameter] of parameters) {
      if (parameter.grad) gradients.set(name, parameter.grad.toFloat32Array());
      parameter.grad = null;
    }
    return { figures, gradients };
  }
  const aligned = (more: Partial<Stage> = {}) =>
    outcome({ alignment: { weight: 0.5, block: 1, to: 'latents' }, ...more });

  /** Largest difference as a share of the largest value, over all parameters. */
  function offBy(a: Map<string, Float32Array>, b: Map<string, Float32Array>): number {
    assert.deepEqual([...a.keys()], [...b.keys()]);
    return Math.max(
      ...[...a].map(([name, values]) => {
        const other = b.get(name)!;
        const most = values.reduce((m, value) => Math.max(m, Math.abs(value)), 1e-6);
        return values.reduce((m, v, i) => Math.max(m, Math.abs(v - other[i]!)), 0) / most;
      }),
    );
  }

  test('teaches the head and what comes before it, and nothing behind', () => {
    const [plain, with_] = [outcome({}), aligned()];
    const changed = [...with_.gradients]
      .filter(([name, values]) => {
        const before = plain.gradients.get(name);
        return !before || values.some((value, i) => value !== before[i]);
      })
      .map(([name]) => name);
    assert.deepEqual(
      [...new Set(changed.map((name) => /layers|transformer_blocks\.\d|cond_conv/.exec(name)?.[0]))]
        .filter(Boolean)
        .sort(),
      ['cond_conv', 'layers', 'transformer_blocks.0', 'transformer_blocks.1'],
    );
    // the loss that is told stays that of the velocity
    assert.deepEqual(with_.figures.loss, plain.figures.loss);
    assert.equal(with_.figures.alignment!.count, 3);
  });

  test('is the same in micro-batches, with checkpointed blocks and with skipped ones', () => {
    for (const tokenRouting of [undefined, { share: 0.5, first: 1, last: 2 }]) {
      const whole = aligned({ tokenRouting });
      for (const more of [{ tokensPerMicroBatch: 30 }, { gradCheckpointing: true }]) {
        const other = aligned({ tokenRouting, ...more });
        assert.ok(offBy(other.gradients, whole.gradients) < 1e-4);
        const off = other.figures.alignment!.sum - whole.figures.alignment!.sum;
        assert.ok(Math.abs(off) < 1e-5);
      }
    }
  });
});
