import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { ones, type Tensor, tensor, upload } from '../../src/tensor/index.js';
import { trainLoop } from '../../src/train/loop/loop.js';
import { keptForStep, type Sent } from '../../src/train/loop/source.js';
import { Optimisation, Recipe } from '../../src/train/recipe/config.js';
import { Run } from '../../src/train/run/run.js';
import { temporaryFolder } from '../temp-folder.js';
import { noShadow, SHADOW } from './shadow.js';

const recipe = Recipe.parse({ name: 'toy', transformer: { steps: 1 } });
const plan = (steps: number) => Optimisation.parse({ steps, warmupSteps: 0, logEverySteps: 100 });

interface SentBatch extends Sent {
  batch: number;
  step: number;
  wanted: Tensor;
}

/** A weight that learns to be the number of its batch, and what happened, in order. */
async function trainToy(folder: string, device: string, { batches = Infinity, bad = -1 } = {}) {
  const happened: string[] = [];
  const weight = upload(ones([3]), device).requiresGrad_();
  const open = { sent: 0 };
  await trainLoop<number, SentBatch>({
    part: 'toy',
    run: Run.open(folder, recipe, {}),
    stages: [plan(3), plan(2)],
    seed: 0,
    parameters: new Map([['w', weight]]),
    async open(stage) {
      let next = 10 * stage;
      return {
        async next() {
          if (next >= batches) throw new InputError('no more batches');
          return { batch: next++, position: next };
        },
        close: async () => {},
      };
    },
    send(batch, { step }) {
      happened.push(`send ${batch} for ${step}`);
      open.sent++;
      const wanted = upload(tensor([batch, 0, 1]), device);
      const { dispose } = keptForStep([wanted]);
      return {
        batch,
        step,
        wanted,
        dispose() {
          open.sent--;
          dispose();
        },
      };
    },
    train(batch, { step, backward, sent }) {
      happened.push(`train ${batch} in ${step}`);
      if (sent) assert.deepEqual([sent.batch, sent.step], [batch, step]);
      const wanted = sent?.wanted ?? upload(tensor([batch, 0, 1]), device);
      const loss = weight.sub(wanted).square().mean();
      backward(step === bad ? loss.mul(Number.NaN) : loss, true);
      return { samples: 1, figures: {} };
    },
    report: { start: () => {}, update: () => {}, log: () => {}, end: () => {} },
    signal: new AbortController().signal,
  }).catch((error: Error) => happened.push(error.message));
  return { happened, left: open.sent, weight: weight.to('cpu').toFloat32Array() };
}

describe('a batch ahead', { skip: noShadow }, () => {
  const root = temporaryFolder();

  test('is sent while the step before it computes, and taken back where a stage ends', async () => {
    const there = await trainToy(join(root, 'there'), SHADOW);
    assert.deepEqual(there.happened, [
      ...['train 0 in 0', 'send 1 for 1', 'train 1 in 1', 'send 2 for 2', 'train 2 in 2'],
      'send 3 for 3',
      ...['train 10 in 3', 'send 11 for 4', 'train 11 in 4', 'send 12 for 5'],
    ]);
    assert.equal(there.left, 0);
    const here = await trainToy(join(root, 'here'), 'cpu');
    assert.deepEqual(
      here.happened,
      there.happened.filter((what) => what.startsWith('train')),
    );
    for (const [i, one] of there.weight.entries()) {
      assert.ok(Math.abs(one - here.weight[i]!) < 1e-6, `${there.weight}, ${here.weight}`);
    }
  });

  test('that cannot be read ends the run when its turn comes, after the step before it', async () => {
    const { happened, left } = await trainToy(join(root, 'ends'), SHADOW, { batches: 2 });
    assert.deepEqual(happened.slice(-3), ['send 1 for 1', 'train 1 in 1', 'no more batches']);
    assert.equal(left, 0);
  });

  test('goes with its step where one is skipped', async () => {
    const { happened, left } = await trainToy(join(root, 'skips'), SHADOW, { bad: 1 });
    assert.equal(happened.filter((what) => what.startsWith('train')).length, 5);
    assert.equal(left, 0);
  });
});
