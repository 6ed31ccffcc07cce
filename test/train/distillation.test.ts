import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { openPipeline } from '../../src/pipeline/index.js';
import { conditionOf, NOTHING, TASKS } from '../../src/tasks/index.js';
import { setThreads } from '../../src/tensor/index.js';
import { distilRecipe, type TrainEvent, train } from '../../src/train/index.js';
import type { RecipeInput } from '../../src/train/recipe/config.js';
import { checkRecipe } from '../../src/train/recipe/read-recipe.js';
import { saveTinyLora } from '../pipeline/tiny-lora.js';
import { temporaryFolder } from '../temp-folder.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from './tiny-parts.js';

const root = temporaryFolder();

/** A transformer of three steps, distilled for four. */
const recipe: RecipeInput = {
  name: 'tiny',
  dtype: 'float32',
  data: [{ miniworld: { clips: 4, images: 4 } }],
  validationSamples: 2,
  autoencoder: { steps: 2, ...TINY_AUTOENCODER, batches: [{ numFrames: 1, batchSize: 2 }] },
  textEncoder: TINY_TEXT_ENCODER,
  transformer: {
    ...TINY_TRANSFORMER,
    steps: 3,
    tokensPerBatch: 8,
    logEverySteps: 1,
    tasks: { t2i: 1, i2v: 1 },
    imageShare: [0.5, 0.5],
  },
  distillation: { steps: 4, logEverySteps: 1, warmupSteps: 1, learningRate: 0.01 },
  pipeline: { guidanceScale: 3, taskSettings: { i2v: { guidanceScale: 1, motionScore: 2 } } },
};

const CHANGED = 'transformer_blocks.0.attn1.q_proj.weight';

const weightsOf = (run: string, part: string) => {
  const folder = readdirSync(join(run, 'checkpoints'))
    .filter((name) => name.startsWith(part))
    .sort()
    .at(-1)!;
  return ['weights', 'ema', 'optimizer'].map((name) =>
    readFileSync(join(run, 'checkpoints', folder, `${name}.safetensors`)),
  );
};

describe('a distillation', () => {
  const whole = join(root, 'whole');
  before(async () => {
    setThreads(1); // sums in one order
    assert.equal((await train(recipe, { run: whole })).finished, true);
  });

  test('gives a pipeline that takes four steps by itself, with guidance in its weights', () => {
    const pipeline = openPipeline(join(whole, 'pipeline'));
    const { settings, scheduler, transformer, isFlowMap } = pipeline;
    assert.equal(isFlowMap, true);
    assert.equal(transformer.config.deltatime_type, 't-r');
    assert.equal(scheduler._class_name, 'FlowMapEulerDiscreteScheduler');
    assert.deepEqual([settings.numInferenceSteps, settings.guidanceScale], [4, 1]);
    assert.deepEqual(settings.taskSettings, { i2v: { motionScore: 2 } });
    const index = JSON.parse(readFileSync(join(whole, 'pipeline/model_index.json'), 'utf8'));
    assert.deepEqual(index.scheduler, ['diffusers', 'FlowMapEulerDiscreteScheduler']);
    pipeline.dispose();
  });

  test('tells how far its results are from the teacher in one, two and four steps', () => {
    const lines = readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line));
    const own = rows.filter(({ part }) => part === 'distillation');
    assert.deepEqual([...new Set(own.map(({ step }) => step))], [0, 1, 2, 3, 4]);
    for (const step of [0, 4]) {
      const figures = Object.assign({}, ...own.filter((row) => row.step === step));
      for (const steps of [1, 2, 4]) {
        const label = steps === 1 ? '1 step' : `${steps} steps`;
        assert.ok(figures[`validation/${label}`] >= 0, `${label} at ${step}`);
        assert.ok(figures[`validation/i2v, ${label}`] >= 0);
      }
    }
    assert.ok(readdirSync(join(whole, 'samples')).includes('distillation-000004-i2v.png'));
  });

  test('samples in 1, 2, 4 and 24 steps, each of which goes another way', async () => {
    const pipeline = openPipeline(join(whole, 'pipeline'));
    const target = { width: 16, height: 16, numFrames: 5 };
    const made = async (numInferenceSteps: number, changes: object = {}) => {
      const request = {
        task: TASKS.t2v,
        prompts: ['a red cube'],
        conditions: [conditionOf(NOTHING, target, { scale: 'clip' as const })],
        target,
        numInferenceSteps,
        guidanceScale: 1,
        motionScore: 1,
        seed: 1,
        ...changes,
      };
      const latents = await pipeline.denoise(request);
      return latents.toFloat32Array();
    };
    const results: string[] = [];
    for (const steps of [1, 2, 4, 24]) results.push((await made(steps)).join());
    assert.equal(new Set(results).size, 4);
    // shortcuts of single steps still work
    await made(4, { cacheThreshold: 0.5 });
    await made(4, { guidanceScale: 2, guidanceRange: [1, 0.5] });
    for (const solver of ['dpm++', 'unipc']) {
      await assert.rejects(made(4, { solver }), {
        name: 'InputError',
        message: /`solver`: must be euler for a pipeline that is distilled to few steps.*leave it/,
      });
    }
    pipeline.dispose();
  });

  test('stopped and resumed equals uninterrupted, bit for bit', async () => {
    const run = join(root, 'stopped');
    for (const [part, step] of [
      ['transformer', 2],
      ['distillation', 1],
    ] as const) {
      const stop = new AbortController();
      const onEvent: NonNullable<Parameters<typeof train>[1]>['onEvent'] = (event) => {
        if (event.type !== 'progress' || event.label !== part) return;
        if (event.done === step) stop.abort();
      };
      const { finished } = await train(recipe, { run, resume: true, signal: stop.signal, onEvent });
      assert.equal(finished, false, `${part} ${step}`);
    }
    assert.equal((await train(recipe, { run, resume: true })).finished, true);
    for (const part of ['transformer', 'distillation']) {
      const [own, others] = [weightsOf(run, part), weightsOf(whole, part)];
      assert.ok(
        own.every((bytes, i) => bytes.equals(others[i]!)),
        part,
      );
    }
    const file = 'pipeline/transformer/diffusion_pytorch_model.safetensors';
    assert.ok(readFileSync(join(run, file)).equals(readFileSync(join(whole, file))));
  });

  test('alone takes a finished pipeline, and learns from it', async () => {
    const plain: RecipeInput = { ...recipe, distillation: undefined };
    const base = join(root, 'plain');
    const { pipeline } = await train(plain, { run: base });
    const own = distilRecipe(pipeline!, { trainSteps: 2, numInferenceSteps: 2 });
    assert.equal(own.name, 'distil-plain');
    const { distillation, ...others } = own;
    const few = { ...own, ...others, validationSamples: 2, dtype: 'float32' as const };
    const short = { ...distillation, tokensPerBatch: 8, tokensPerMicroBatch: 4, warmupSteps: 1 };
    const done = await train(
      { ...few, data: [{ miniworld: { clips: 4, images: 4 } }], distillation: short },
      { run: join(root, 'alone') },
    );
    assert.equal(done.finished, true);
    const made = openPipeline(done.pipeline!);
    assert.deepEqual([made.isFlowMap, made.settings.numInferenceSteps], [true, 2]);
    assert.deepEqual(made.settings.tasks, ['t2i', 'i2v']);
    made.dispose();
  });

  test('takes LoRAs that were trained for its teacher', () => {
    const path = join(root, 'style');
    const plain = join(root, 'plain', 'pipeline');
    saveTinyLora(path, { pipeline: plain });
    const [own, with_] = [[], [{ path, scale: 1 }]].map((loras) => {
      const pipeline = openPipeline(join(whole, 'pipeline'), { loras });
      const weight = pipeline.transformer.namedParameters().get(CHANGED)!;
      const values = weight.toFloat32Array();
      pipeline.dispose();
      return values;
    });
    assert.notDeepEqual(own, with_);
  });

  test('without a teacher trains on with few steps, and other tasks too', async () => {
    const base = join(whole, 'pipeline');
    const { autoencoder: _, textEncoder: __, transformer: ___, pipeline: ____, ...rest } = recipe;
    const distillation = {
      ...recipe.distillation,
      velocity: 'data' as const,
      guidance: { t2i: 3 },
      tasks: { t2i: 1, vsr: 1 },
      width: 16,
      height: 16,
      numFrames: 5,
      tokensPerBatch: 8,
      steps: 2,
    };
    const run = join(root, 'further');
    const done = await train({ ...rest, base, distillation }, { run });
    assert.equal(done.finished, true);
    const made = openPipeline(done.pipeline!);
    assert.deepEqual([made.isFlowMap, made.settings.numInferenceSteps], [true, 4]);
    assert.deepEqual(made.settings.tasks, ['t2i', 'i2v', 'vsr']);
    made.dispose();
    const text = readFileSync(join(run, 'metrics.jsonl'), 'utf8');
    for (const key of ['validation/t2i', 'validation/vsr', 'loss/vsr'])
      assert.match(text, new RegExp(`"${key}":[0-9.]`));
  });

  describe('trained further', () => {
    const distilled = join(whole, 'pipeline');
    const { steps, tasks, tokensPerBatch, ...network } = recipe.transformer!;
    const plan = { steps, tasks, tokensPerBatch };
    const { autoencoder: _, distillation: ___, pipeline: ____, ...rest } = recipe;

    test('as its base, gets a LoRA beside its steps', async () => {
      const { textEncoder: __, ...own } = { ...rest, base: distilled };
      const run = join(root, 'with-lora');
      const { finished } = await train(
        { ...own, transformer: { ...plan, lora: { rank: 1 } } },
        { run },
      );
      assert.equal(finished, true);
      const path = join(run, 'lora');
      const pipeline = openPipeline(distilled, { loras: [{ path, scale: 1 }] });
      assert.deepEqual([pipeline.isFlowMap, pipeline.settings.numInferenceSteps], [true, 4]);
      pipeline.dispose();
    });

    test('as its base with weights of its own, says that it becomes a flow again', async () => {
      const { textEncoder: __, ...own } = { ...rest, base: distilled };
      const notes: string[] = [];
      const onEvent = (event: TrainEvent) => void (event.type === 'note' && notes.push(event.text));
      const run = join(root, 'own-weights');
      const done = await train({ ...own, transformer: plan }, { run, onEvent });
      assert.equal(done.finished, true);
      assert.match(notes.join('\n'), /base: \S+ samples in few steps, which training its own/);
      const pipeline = openPipeline(done.pipeline!);
      assert.deepEqual([pipeline.isFlowMap, pipeline.settings.numInferenceSteps], [false, 24]);
      pipeline.dispose();
    });

    test('as initial weights, becomes a flow again', async () => {
      const run = join(root, 'flow-again');
      const { finished, pipeline: folder } = await train(
        {
          ...rest,
          init: distilled,
          autoencoder: { from: distilled },
          transformer: { ...network, ...plan },
        },
        { run },
      );
      assert.equal(finished, true);
      const pipeline = openPipeline(folder!);
      assert.equal(pipeline.isFlowMap, false);
      pipeline.dispose();
    });
  });
});

describe('the recipe of a distillation', () => {
  const problemsOf = (changes: object): string => {
    try {
      checkRecipe(structuredClone({ name: 'x', ...changes }), 'r');
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };

  test('needs a transformer to distil, its base or one that it trains', () => {
    assert.match(
      problemsOf({ distillation: {} }),
      /distillation: needs a trained transformer; give/,
    );
    assert.equal(problemsOf({ distillation: {}, base: 'a' }), '');
    assert.equal(problemsOf({ distillation: {}, transformer: { steps: 1 } }), '');
  });

  test('names what is wrong with it', () => {
    const wrong = (distillation: object, more: object = {}) =>
      problemsOf({ base: 'a', distillation, ...more });
    assert.match(wrong({ flowShare: 0.8, cleanShare: 0.4 }), /distillation.cleanShare: must leave/);
    assert.match(wrong({ tasks: { t2x: 1 } }), /distillation.tasks.t2x: unknown task/);
    assert.match(
      wrong({ timestepShift: { t2v: 2, t2x: 1 } }),
      /distillation.timestepShift.t2x: unknown key/,
    );
    const own = { velocity: 'data', guidance: { t2x: 2 } };
    assert.match(wrong(own), /distillation.guidance.t2x: unknown task/);
    assert.match(
      wrong({ guidance: { t2i: 2 } }),
      /distillation.guidance: has no effect with a teacher/,
    );
    assert.match(wrong({ diference: 0.1 }), /distillation.diference: unknown key; did you mean/);
    assert.match(
      wrong({ imageShare: [1, 1], tasks: { t2v: 1 } }),
      /distillation.imageShare: must be \[0, 0\]/,
    );
    assert.match(
      wrong({}, { transformer: { steps: 1, lora: { rank: 2 } } }),
      /transformer.lora: cannot be distilled in the same run/,
    );
  });
});
