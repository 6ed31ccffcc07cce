/** The task of docs/tasks.md, which is in no table: what a declaration alone brings about. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { vinterp } from '../../examples/frame-interpolation.js';
import { captionOf, drawScene } from '../../src/data/miniworld/index.js';
import { sceneFacts } from '../../src/data/miniworld/sample.js';
import { RandomStream } from '../../src/data/random.js';
import { ALONE } from '../../src/distributed/parallel.js';
import { InputError } from '../../src/errors.js';
import { fromRoot } from '../../src/files/package-root.js';
import { framesToTensor } from '../../src/media/index.js';
import { openPipeline, type Pipeline } from '../../src/pipeline/index.js';
import {
  conditionOf,
  type MixEntry,
  shortcomings,
  TASK_IDS,
  TASKS,
  type Task,
  taskMix,
} from '../../src/tasks/index.js';
import { setThreads, type Tensor } from '../../src/tensor/index.js';
import { drawUse } from '../../src/train/feed/draw.js';
import { sceneAt } from '../../src/train/feed/items/scenes.js';
import { readOutcome } from '../../src/train/loop/means.js';
import { FLOW_MATCHING } from '../../src/train/networks/flow-matching.js';
import { stackConditions, trainStep } from '../../src/train/networks/step.js';
import {
  openTrainedPipeline,
  trainableParameters,
} from '../../src/train/networks/trained-pipeline.js';
import { pipelineRecipe, Recipe } from '../../src/train/recipe/config.js';
import { readRecipe } from '../../src/train/recipe/read-recipe.js';
import { temporaryFolder } from '../temp-folder.js';
import { tinyBatch, tinySample, tinyTrainee } from '../train/tiny.js';
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
      message: '97 frames: are made of 25, the input has 17; ask for fewer with `numFrames`',
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
    const tasks = [
      { task: vinterp, weight: 1 },
      { task: TASKS.t2v, weight: 1 },
    ];
    const entry = {
      item: sceneAt('clip', 'train', 0, { maxObjects: 2, others: null }),
      facts: sceneFacts(clip),
      tasks,
    };
    const caption = captionOf(drawScene(0), clip.numFrames);
    let pipeline: Pipeline;
    before(() => {
      setThreads(1);
      ({ pipeline } = tinyTrainee());
    });

    test('draws it by weight, with its words, and now and then without them or what is given', () => {
      const depth = { from: 'auto', dropout: 0.1, frameDropout: 0 } as const;
      const dropout = { textDropout: { image: 0, video: 0.5 }, conditionDropout: 0.25, depth };
      const drawn = Array.from({ length: 400 }, (_, i) =>
        drawUse(entry, clip, dropout, { seed: 0, label: `${i}` }),
      );
      const own = drawn.filter(({ task }) => task === vinterp);
      const tagged = `${caption} #task: video frame interpolation`;
      const silent = own.filter(({ prompt }) => prompt === '');
      for (const { prompt } of own) assert.ok(['', tagged].includes(prompt), prompt);
      for (const { caption: said } of own) assert.equal(said, caption);
      const blind = own.filter(({ conditioned }) => !conditioned);
      // four standard deviations of draws that are independent
      const near = (count: number, of: number, share: number) =>
        assert.ok(
          Math.abs(count - of * share) < 4 * Math.sqrt(of * share * (1 - share)),
          `${count} of ${of}`,
        );
      near(own.length, 400, 0.5);
      near(silent.length, own.length, 0.5);
      near(blind.length, own.length, 0.25);
      for (const { task, conditioned } of drawn) assert.ok(task === vinterp || !conditioned);
    });

    test('has its condition in a row of its own', () => {
      const samples = [TASKS.t2v, vinterp, TASKS.t2v].map((task, i) => tinySample(i, task));
      const { conditions, rows } = stackConditions(samples, clip, pipeline);
      assert.deepEqual(conditions.shape.slice(0, 2), [2, 5]);
      assert.deepEqual([...rows.toFloat32Array()], [0, 1, 0]);
      const own = vinterp.fromSample(sampleFor(vinterp, 1), new RandomStream(0, ''));
      const expected = conditionOf(own, clip);
      const [nothing, made] = conditions.chunk(2);
      assert.equal(made!.narrow(1, 0, 3).sub(expected.pixels).abs().amax().item(), 0);
      assert.equal(made!.narrow(1, 4, 1).sub(expected.mask).abs().amax().item(), 0);
      assert.equal(nothing!.abs().amax().item(), 0);
    });

    test('a step has a finite loss, and its gradient reaches the adapter through what is known', () => {
      const { transformer } = pipeline;
      transformer.requiresGrad_(true);
      const batch = tinyBatch([vinterp, vinterp]);
      const backward = (loss: Tensor | null) => loss!.backward();
      const plan = { timestepShift: 1, gradCheckpointing: false, seed: 0, sequence: null };
      const { figures, samples } = readOutcome(
        trainStep(pipeline, batch, { step: 0, backward }, plan, FLOW_MATCHING),
      );
      const { sum, count } = figures['loss/vinterp']!;
      assert.deepEqual([samples, count], [2, 2]);
      assert.deepEqual(figures.loss, { sum, count });
      assert.ok(Number.isFinite(sum) && sum > 0, String(sum));
      // [out, 5, 3, 3]: three of pixels, depth, mask
      const gradient = transformer.condConv.convIn.weight.grad!;
      const largest = (first: number, width: number) =>
        gradient.narrow(1, first, width).abs().amax().item();
      assert.ok(largest(0, 3) > 0 && largest(4, 1) > 0, 'pixels and mask');
      assert.ok(largest(3, 1) > 0, 'depth of the known frames');
    });

    test('a finished pipeline learns it, and makes clips by it', async () => {
      const base = fromRoot('models/mfm-mini');
      const recipe = pipelineRecipe(Recipe.parse({ name: 'old', base, transformer: { steps: 1 } }));
      const was = openPipeline(base, { dtype: 'float32', oneAtATime: false });
      const { autoencoder } = was;
      const tasks = [vinterp.id];
      const trainee = openTrainedPipeline({ recipe, autoencoder, dtype: 'float32', tasks });
      assert.deepEqual(trainee.pipeline.settings.tasks, [...was.settings.tasks!, vinterp.id]);
      const optimizer = ALONE.optimizer(trainableParameters(trainee, recipe), {});
      const encodeText = (prompts: string[]) => trainee.pipeline.encodePrompts(prompts);
      const settings = { timestepShift: 1, gradCheckpointing: false, seed: 0, sequence: null };
      const losses: number[] = [];
      for (let i = 0; i < 6; i++) {
        // one step's noise again and again: what is learnt shows at once
        const { figures } = readOutcome(
          trainStep(
            trainee.pipeline,
            tinyBatch([vinterp, TASKS.t2v]),
            { step: 0, backward: (loss, last) => optimizer.backward(loss, last) },
            { ...settings, encodeText },
            FLOW_MATCHING,
          ),
        );
        await optimizer.step({ learningRate: 1e-3, clipGradNorm: 1 });
        optimizer.zeroGrad();
        losses.push(figures['loss/vinterp']!.sum);
      }
      assert.ok(losses.at(-1)! < 0.95 * losses[0]!, String(losses));

      const given = vinterp.fromSample(sampleFor(vinterp, 1), new RandomStream(0, ''));
      const size = { width: 32, height: 48, numFrames: 17 };
      const made = await trainee.pipeline.sample({
        task: vinterp,
        prompts: [caption],
        conditions: [conditionOf(given, size)],
        target: size,
        numInferenceSteps: 1,
        guidanceScale: 1,
        motionScore: 1,
        seed: 1,
      });
      assert.deepEqual(made.shape, [1, 3, 17, 48, 32]);
      assert.ok(Number.isFinite(made.to('float32').sum().item()), 'finite pixels');
    });
  });
});

test('docs/tasks.md shows a recipe that a pipeline learns it by', () => {
  const guide = readFileSync('docs/tasks.md', 'utf8');
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(guide)!;
  const folder = temporaryFolder();
  const path = join(folder, 'vinterp.yaml');
  writeFileSync(path, yaml!);
  // all of it is right but for the task, which has to be given
  assert.throws(() => readRecipe(path), {
    message: /^\S+: 1 problem\n {2}transformer\.tasks\.vinterp: unknown task; there are [^\n]*$/,
  });
  assert.equal(readRecipe(path, [], undefined, [vinterp]).transformer?.tasks?.vinterp, 3);
  writeFileSync(path, yaml!.replace('vinterp: 3, ', ''));
  assert.equal(readRecipe(path).base, 'models/mfm-mini');
});
