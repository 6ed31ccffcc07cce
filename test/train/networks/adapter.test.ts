import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { TASKS } from '../../../src/tasks/index.js';
import { setThreads, type Tensor } from '../../../src/tensor/index.js';
import type { StepBatch } from '../../../src/train/feed/batch.js';
import { readOutcome } from '../../../src/train/loop/means.js';
import { adapterStep, targetProjection } from '../../../src/train/networks/adapter.js';
import { tinyBatch, tinyTrainee } from '../tiny.js';

describe('adapterStep', () => {
  before(() => setThreads(1));
  const { pipeline } = tinyTrainee();
  const { transformer } = pipeline;
  const project = targetProjection(transformer, 0, 1);
  const parameters = [...transformer.requiresGrad_(true).condConv.namedParameters()];

  function outcomeOf(batch: StepBatch, tokensPerMicroBatch?: number) {
    const lasts: boolean[] = [];
    const backward = (loss: Tensor | null, last: boolean) => {
      lasts.push(last);
      loss?.backward();
    };
    const outcome = readOutcome(
      adapterStep(pipeline, project, batch, { backward, tokensPerMicroBatch }),
    );
    const gradients = parameters.map(([, parameter]) => {
      const values = parameter.grad?.toFloat32Array() ?? null;
      parameter.grad = null;
      return values;
    });
    return { ...outcome, lasts, gradients };
  }

  test('has the same gradients and loss in micro-batches', () => {
    // 30 tokens a sample
    const batch = tinyBatch([TASKS.i2v, TASKS.vinp, TASKS.vsr, TASKS.i2v, TASKS.vinp]);
    const whole = outcomeOf(batch);
    const parts = outcomeOf(batch, 60);
    assert.deepEqual([whole.lasts, parts.lasts], [[true], [false, false, true]]);
    const [wanted, got] = [whole, parts].map(({ figures }) => figures.loss!);
    assert.deepEqual([wanted!.count, got!.count], [5, 5]);
    assert.ok(wanted!.sum > 0 && Math.abs(got!.sum - wanted!.sum) < 1e-5 * wanted!.sum, 'loss');
    whole.gradients.forEach((values, i) => {
      const [name, own] = [parameters[i]![0], parts.gradients[i]!];
      const largest = values!.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
      // float32 sums in another order
      const off = values!.reduce((most, value, k) => Math.max(most, Math.abs(value - own[k]!)), 0);
      assert.ok(off <= 1e-4 * largest, `${name}: ${off} of ${largest}`);
    });
  });

  test('a process without samples takes part with nothing', () => {
    const { lasts, samples, figures, gradients } = outcomeOf({ ...tinyBatch(), samples: [] });
    assert.deepEqual([lasts, samples, figures], [[true], 0, {}]);
    assert.ok(
      gradients.every((values) => values === null),
      'no gradients',
    );
  });
});
