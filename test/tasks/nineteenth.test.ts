/** The task of docs/tasks.md, which is in no table: what a declaration alone brings about. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { vinterp } from '../../examples/frame-interpolation.js';
import { sceneFacts } from '../../src/data/miniworld/sample.js';
import { InputError } from '../../src/errors.js';
import { framesToTensor } from '../../src/media/index.js';
import type { Pipeline } from '../../src/pipeline/index.js';
import {
  conditionOf,
  type MixEntry,
  shortcomings,
  TASK_IDS,
  TASKS,
  type Task,
  taskMix,
} from '../../src/tasks/index.js';
import { Generator, manualSeed, noGrad, randn, setThreads } from '../../src/tensor/index.js';
import { buildAutoencoder } from '../../src/train/autoencoder.js';
import { Recipe } from '../../src/train/config.js';
import type { EncodedSample } from '../../src/train/latents.js';
import { assemble } from '../../src/train/task-batch.js';
import { buildPipeline, trainStep } from '../../src/train/transformer.js';
import { expectSameFromFiles, sampleFor } from './same-condition.js';

test('docs/tasks.md shows the declaration as it is', () => {
  const [, shown] = /```ts\n([\s\S]*?)```/.exec(readFileSync('docs/tasks.md', 'utf8'))!;
  assert.equal(shown, readFileSync('examples/frame-interpolation.ts', 'utf8'));
});

test('docs/tasks.md explains each field of a declaration', () => {
  const guide = readFileSync('docs/tasks.md', 'utf8');
  const fields = [...guide.matchAll(/^\| `(\w+)` \|/gm)].map(([, field]) => field!);
  assert.deepEqual(fields.sort(), Object.keys(vinterp).sort());
});

describe('a task that is in no table', () => {
  const clip = { width: 32, height: 48, numFrames: 17 };

  test('is given by files what it is given in training', async () => {
    assert.ok(!(TASK_IDS as readonly string[]).includes(vinterp.id));
    for (const seed of [0, 1, 2, 3]) {
      const { pixels, mask } = await expectSameFromFiles(vinterp, seed);
      const known = [...mask.mean([0, 1, 3, 4]).toFloat32Array()];
      assert.deepEqual(
        known,
        known.map((_, i) => (i % 4 === 0 ? 1 : 0)),
      );
      const whole = framesToTensor(sampleFor(vinterp, seed).clip);
      assert.equal(pixels.sub(whole.mul(mask)).abs().amax().item(), 0);
    }
  });

  test('takes what it needs of a longer clip, and says so of a shorter one', () => {
    const { clip: frames } = sampleFor(vinterp, 0);
    const media = [{ ...frames, path: '', kind: 'video', fps: 8, alpha: null, notes: [] }] as const;
    const { known } = vinterp.fromInput({ media, mask: null }, 33);
    assert.deepEqual(known[0]!.at, [0, 4, 8, 12, 16, 20, 24, 28, 32]);
    assert.throws(() => vinterp.fromInput({ media, mask: null }, 97), {
      name: InputError.name,
      message: '97 frames: are made of 25, the input has 17; ask for fewer with --frames',
    });
  });

  test('counts in the mix of a data set', () => {
    const facts = sceneFacts(clip);
    const still = { ...facts, motionScore: 0 };
    const tasks: Task[] = [vinterp, TASKS.vsr, TASKS.isr];
    const weighted = tasks.map((task, i) => ({ task, weight: [2, 1, 1][i]! }));
    const { entries, unused } = taskMix([facts, still], weighted, { minSide: 32 });
    const figures = ({ task, samples, share }: MixEntry) => [task.id, samples, share];
    assert.equal(unused, 0);
    assert.deepEqual(entries.map(figures), [
      ['vinterp', 1, 2 / 4 / 2],
      ['vsr', 2, (1 / 4 + 1 / 2) / 2],
      ['isr', 2, (1 / 4 + 1 / 2) / 2],
    ]);
    assert.deepEqual(shortcomings(vinterp, still), ['nothing moves']);
    assert.deepEqual(shortcomings(vinterp, { ...facts, kind: 'image' }), ['is an image']);
  });

  describe('training', () => {
    const recipe = Recipe.parse({
      ...{ name: 'tiny', dtype: 'float32', miniworld: { width: 32, height: 48 } },
      autoencoder: {
        ...{ steps: 1, blockOutChannels: [8, 8, 8, 8], batches: [{ numFrames: 1, batchSize: 1 }] },
      },
      latents: { clips: 1, numFrames: clip.numFrames, images: 1 },
      transformer: {
        ...{ steps: 1, numLayers: 1, numHeads: 1, adapterChannels: [8, 8, 8, 8, 8] },
        ...{ textWidth: 32, textLayers: 1, conditionDropout: 0 },
      },
    });
    const weighted = [
      { task: vinterp, weight: 1 },
      { task: TASKS.t2v, weight: 1 },
    ];
    const plan = { ...recipe.transformer, tasks: weighted, seed: 0 };
    const samples = [0, 1, 2, 3].map(
      (seed): EncodedSample => ({
        latents: randn([1, 16, 5, 6, 4], { generator: new Generator(seed) }),
        sample: sampleFor(vinterp, seed),
        motionScore: 1,
      }),
    );
    let pipeline: Pipeline;
    before(() => {
      setThreads(1);
      ({ pipeline } = buildPipeline(recipe, buildAutoencoder(recipe, 'float32'), 'float32', 1));
      // a fresh transformer's last layer is zero, and lets no gradient through
      manualSeed(1);
      noGrad(() => {
        for (const weight of pipeline.transformer.parameters()) {
          weight.add_(randn(weight.shape).mul(0.02));
        }
      });
    });

    test('draws it by weight, with its condition and its words', () => {
      const drawn = [0, 1, 2, 3, 4, 5, 6, 7].map((step) => assemble(samples, step, plan));
      const ids = drawn.flatMap(({ tasks }) => tasks);
      const count = ids.filter((id) => id === 'vinterp').length;
      assert.ok(count > 8 && count < 24, `${count} of ${ids.length}`);
      const { tasks, prompts, conditionRows, pixels, mask } = drawn.find(({ tasks: [id] }) => {
        return id === 'vinterp';
      })!;
      assert.equal(pixels.size(0), 1 + tasks.filter((id) => id === 'vinterp').length);
      assert.equal(conditionRows.select(0, 0).item(), 1);
      const own = vinterp.fromSample(samples[0]!.sample, null as never);
      const expected = conditionOf(own, clip);
      assert.equal(mask.narrow(0, 1, 1).sub(expected.mask).abs().amax().item(), 0);
      assert.equal(
        pixels.narrow(0, 1, 1).narrow(1, 0, 3).sub(expected.pixels).abs().amax().item(),
        0,
      );
      const tagged = `${samples[0]!.sample.caption} #task: video frame interpolation`;
      assert.ok(['', tagged].includes(prompts[0]!), prompts[0]);
    });

    test('a step has a finite loss, and its gradient reaches the adapter through the pixels', () => {
      const { transformer } = pipeline;
      transformer.requiresGrad_(true);
      const alone = { ...plan, tasks: [weighted[0]!] };
      const { losses, samples: count } = trainStep(pipeline, samples, 0, alone);
      assert.deepEqual(Object.keys(losses), ['vinterp']);
      assert.ok(count === 4 && Number.isFinite(losses.vinterp) && losses.vinterp! > 0);
      // [out, 5, 3, 3]: three of pixels, depth, mask; depth was told by nobody
      const gradient = transformer.condConv.convIn.weight.grad!;
      const largest = (first: number, width: number) =>
        gradient.narrow(1, first, width).abs().amax().item();
      assert.ok(largest(0, 3) > 0 && largest(4, 1) > 0);
      assert.equal(largest(3, 1), 0);
    });
  });
});
