import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { addNoise, timestepsOf } from '../../../src/diffusion/index.js';
import { ALONE, type Parallel } from '../../../src/distributed/parallel.js';
import type { Pipeline } from '../../../src/pipeline/index.js';
import { TASKS } from '../../../src/tasks/index.js';
import { Generator, noGrad, randn, setThreads, tensor } from '../../../src/tensor/index.js';
import type { StepBatch } from '../../../src/train/feed/batch.js';
import { addFigures, meansOf } from '../../../src/train/loop/means.js';
import { stackConditions } from '../../../src/train/networks/step.js';
import { validationLosses } from '../../../src/train/networks/validation.js';
import { tinyBatch, tinyTrainee } from '../tiny.js';
import { world } from '../world.js';

describe('validationLosses', () => {
  let pipeline: Pipeline;
  let batches: StepBatch[];
  let figures: Record<string, number>;
  /** samples of each forward pass */
  let atOnce: number[];
  const sumsOf = (
    of: readonly StepBatch[],
    parallel: Parallel = ALONE,
    tokensPerMicroBatch?: number,
  ) => {
    atOnce = [];
    const encodeText = (prompts: string[]) => {
      atOnce.push(prompts.length);
      return pipeline.encodePrompts(prompts);
    };
    const plan = { tokensPerMicroBatch, sequenceParallel: 1, encodeText };
    return validationLosses(pipeline, of, parallel, plan);
  };
  const lossesOf = async (...args: Parameters<typeof sumsOf>) => meansOf(await sumsOf(...args));
  before(async () => {
    setThreads(1);
    ({ pipeline } = tinyTrainee());
    const { t2i, i2v, vinp } = TASKS;
    batches = [tinyBatch([t2i, t2i]), tinyBatch([i2v, i2v, i2v]), tinyBatch([vinp])];
    figures = await lossesOf(batches);
  });

  test('has a figure for each task, and they differ', () => {
    assert.deepEqual(
      Object.keys(figures),
      ['t2i', 'i2v', 'vinp'].map((id) => `validation/${id}`),
    );
    const values = Object.values(figures);
    for (const value of values) assert.ok(Number.isFinite(value) && value > 0, String(values));
    assert.equal(new Set(values).size, 3, String(values));
  });

  test('gives the same figures twice, whatever order the batches have', async () => {
    assert.deepEqual(await lossesOf(batches), figures);
    assert.deepEqual(await lossesOf(batches.toReversed()), figures);
  });

  test('is the mean of what batches of a task hold, however they are cut', async () => {
    const cut = batches.flatMap((batch) =>
      batch.samples.map((sample) => ({ ...batch, samples: [sample] })),
    );
    const got = await lossesOf(cut);
    for (const [name, value] of Object.entries(figures)) {
      assert.ok(Math.abs(got[name]! - value) < 1e-5 * value, name); // order of sums
    }
  });

  test('is the same however few tokens are taken at once', async () => {
    // 6 tokens a picture, 30 a clip
    const got = await lossesOf(batches, ALONE, 60);
    assert.deepEqual(atOnce, [2, 2, 1, 1]);
    assert.deepEqual(Object.keys(got), Object.keys(figures));
    for (const [name, value] of Object.entries(figures)) {
      assert.ok(Math.abs(got[name]! - value) < 1e-5 * value, name); // order of sums
    }
    await lossesOf(batches, ALONE, 1);
    assert.deepEqual(atOnce, [1, 1, 1, 1, 1, 1], 'a sample is the least');
  });

  test('by parts of two processes is the same as by one', async () => {
    const all: Awaited<ReturnType<typeof sumsOf>> = {};
    for (const parallel of world(2)) addFigures(all, await sumsOf(batches, parallel));
    const together = meansOf(all);
    assert.deepEqual(Object.keys(together).sort(), Object.keys(figures).sort());
    for (const [name, value] of Object.entries(figures)) {
      assert.ok(Math.abs(together[name]! - value) < 1e-5 * value, name);
    }
  });

  test('ends between batches at a signal, but not where others go on', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    const plan = { sequenceParallel: 1, signal };
    await assert.rejects(validationLosses(pipeline, batches, ALONE, plan), { message: 'stopped' });
    const [first] = world(2);
    const sums = await validationLosses(pipeline, batches, first!, plan);
    assert.ok('validation/t2i' in sums);
  });

  test('says nothing of a task whose samples cannot be read', async () => {
    const [first, second, third] = batches;
    const unread = [first!, { ...second!, samples: [] }, third!];
    const { 'validation/i2v': _, ...others } = figures;
    assert.deepEqual(await lossesOf(unread), others);
    assert.deepEqual(await lossesOf([]), {});
  });

  test('is the error of the velocity, noise less latents, at levels spread evenly', () => {
    const { transformer } = pipeline;
    const { samples, target } = batches[2]!;
    const [sample] = samples;
    const wanted = noGrad(() => {
      const latents = sample!.latents.to('float32');
      const noise = randn(latents.shape, { generator: new Generator(7_000_000) });
      const sigmas = tensor([0.5]);
      const { states, mask } = pipeline.encodePrompts([sample!.prompt]);
      const { conditions } = stackConditions(samples, target, pipeline);
      const velocity = transformer.forward(addNoise(latents, noise, sigmas), {
        timesteps: timestepsOf(sigmas),
        motionScores: tensor([sample!.motionScore]),
        text: transformer.prepareText(states, mask),
        condition: transformer.prepareCondition(conditions),
        rope: transformer.prepareRope(latents),
      });
      return velocity.sub(noise.sub(latents)).square().mean().item();
    });
    assert.ok(Math.abs(figures['validation/vinp']! - wanted) < 1e-5 * wanted, String(wanted));
  });

  test('follows the weights', async () => {
    const weight = [...pipeline.transformer.parameters()].at(-1)!;
    noGrad(() => weight.add_(0.1));
    const after = await lossesOf(batches);
    noGrad(() => weight.sub_(0.1));
    for (const [name, value] of Object.entries(figures)) assert.notEqual(after[name], value, name);
  });
});
