import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { readLora } from '../../../src/nn/index.js';
import { openPipeline } from '../../../src/pipeline/index.js';
import { Generator, noGrad, setThreads, type Tensor } from '../../../src/tensor/index.js';
import { trainedNetworks } from '../../../src/train/cost/trained-networks.js';
import {
  exportFinished,
  exportTrainee,
  FLOW_STEPS,
  openTrainedPipeline,
  type TrainedPipeline,
  trainableParameters,
} from '../../../src/train/networks/trained-pipeline.js';
import { type PipelineRecipe, pipelineRecipe, Recipe } from '../../../src/train/recipe/config.js';
import { recipeShape } from '../../../src/train/recipe/networks.js';
import { Run } from '../../../src/train/run/run.js';
import { smallMini } from '../../small-mini.js';
import { temporaryFolder } from '../../temp-folder.js';
import { tinyRecipe, tinyTrainee } from '../tiny.js';

const root = temporaryFolder();
/** `models/mfm-mini`, as if known frames had never had depth. */
const base = smallMini(root, { usesDepth: false, depthTasks: undefined, depthScale: 'clip' });

before(() => setThreads(1));

/** That pipeline as a recipe opens it. */
function opened(
  transformer: object = {},
  more: object = {},
): { trainee: TrainedPipeline; recipe: PipelineRecipe } {
  const recipe = pipelineRecipe(
    Recipe.parse({
      name: 'own',
      base,
      transformer: { steps: 1, ...transformer },
      ...more,
    }),
  );
  const { autoencoder } = openPipeline(base, { dtype: 'float32', oneAtATime: false });
  const trainee = openTrainedPipeline({ recipe, autoencoder, dtype: 'float32', tasks: ['t2v'] });
  return { trainee, recipe };
}

const frozen = (
  { pipeline: { transformer, textEncoder } }: TrainedPipeline,
  trained: Map<string, Tensor>,
) => {
  const all = new Map([
    ...[...transformer.namedParameters()].map(([n, v]) => [`transformer.${n}`, v] as const),
    ...[...textEncoder.namedParameters()].map(([n, v]) => [`text_encoder.${n}`, v] as const),
  ]);
  return [...all].filter(([name, value]) => {
    assert.equal(value.requiresGrad, trained.has(name), name);
    return !value.requiresGrad;
  }).length;
};

const parts = (names: Iterable<string>) => [...new Set([...names].map((n) => n.split('.')[0]!))];

describe('trainableParameters', () => {
  const of = (transformer: object, textEncoder: object = {}) => {
    const recipe = tinyRecipe(transformer);
    const trainee = tinyTrainee(recipe);
    const changed = { ...recipe, textEncoder: { ...recipe.textEncoder, ...textEncoder } };
    const trained = trainableParameters(trainee, changed);
    return { names: [...trained.keys()], frozen: frozen(trainee, trained) };
  };

  test('are all of a fresh pipeline, the text encoder of its own too', () => {
    const { names, frozen } = of({});
    assert.deepEqual(parts(names), ['transformer', 'text_encoder']);
    assert.equal(frozen, 0);
    const given = of({}, { from: 'a folder' });
    assert.deepEqual(parts(given.names), ['transformer']);
    assert.ok(given.frozen > 0, 'the text encoder is frozen');
  });

  test('are what train names but for what freeze does; the rest is frozen', () => {
    const { names, frozen } = of({
      train: ['transformer.*attn1*', 'text_encoder.shared.weight'],
      freeze: ['*.bias'],
    });
    assert.ok(names.length > 3 && frozen > 0, String(names));
    for (const name of names) {
      assert.ok(/attn1.*weight|^text_encoder\.shared\.weight$/.test(name), name);
    }
    assert.ok(names.includes('text_encoder.shared.weight'), String(names));
  });

  test('refuse patterns that fit nothing', () => {
    assert.throws(() => of({ freeze: ['transformer.nothing*'] }), {
      name: 'InputError',
      message: /^freeze: "transformer\.nothing\*" matches no parameter; there are transformer\./,
    });
    assert.throws(() => of({ train: ['attn1'] }), {
      name: 'InputError',
      message: /^train: "attn1"/,
    });
  });
});

describe('a pipeline that is fine-tuned', () => {
  test('is as it was: weights, words and settings, but for what the recipe names', () => {
    const { trainee } = opened({}, { pipeline: { fps: 12 } });
    const { pipeline, lora } = trainee;
    assert.equal(lora, null);
    const was = openPipeline(base, { dtype: 'float32', oneAtATime: false });
    // and but for the few steps that the base was distilled to, which a flow does not have
    const { settings, scheduler } = was;
    assert.deepEqual(pipeline.settings, { ...settings, fps: 12, numInferenceSteps: FLOW_STEPS });
    assert.deepEqual(pipeline.scheduler, {
      ...scheduler,
      _class_name: 'FlowMatchEulerDiscreteScheduler',
    });
    const folded = 'time_embedder.timestep_embedder.linear_2.bias';
    for (const part of ['transformer', 'textEncoder'] as const) {
      const weights = new Map<string, Tensor>(was[part].stateDict());
      for (const [name, value] of pipeline[part].stateDict()) {
        if (name === folded) continue;
        assert.equal(value.sub(weights.get(name)!).abs().amax().item(), 0, name);
      }
    }
    was.dispose();
  });

  test('takes depth for the tasks that it is now trained on with it, at the scale of its base', () => {
    const { trainee, recipe } = opened();
    const { autoencoder } = trainee.pipeline;
    const settingsOf = (tasks: string[], usesDepth: boolean) => {
      const source = { recipe, autoencoder, dtype: 'float32', tasks, usesDepth } as const;
      const {
        usesDepth: uses,
        depthTasks,
        depthScale,
      } = openTrainedPipeline(source).pipeline.settings;
      return { uses, depthTasks, depthScale };
    };
    assert.deepEqual(settingsOf(['i2v', 'vinp'], true), {
      uses: true,
      depthTasks: ['i2v', 'vinp'],
      depthScale: 'clip',
    });
    assert.equal(settingsOf(['i2v', 'vinp'], false).uses, false);
  });

  test('knows the tasks that it was trained on and those that it is trained on now', () => {
    const { trainee, recipe } = opened();
    const { tasks } = trainee.pipeline.settings;
    const { autoencoder } = trainee.pipeline;
    const more = openTrainedPipeline({
      recipe,
      autoencoder,
      dtype: 'float32',
      tasks: ['t2v', 'made-up'],
    });
    assert.deepEqual(more.pipeline.settings.tasks, [...tasks!, 'made-up']);
    const said = opened({}, { pipeline: { tasks: ['t2v'] } });
    assert.deepEqual(said.trainee.pipeline.settings.tasks, ['t2v']);
  });

  test('trains the transformer alone, or what is named', () => {
    const { trainee, recipe } = opened();
    const trained = trainableParameters(trainee, recipe);
    assert.deepEqual(parts(trained.keys()), ['transformer']);
    assert.equal(trained.size, [...trainee.pipeline.transformer.namedParameters()].length);
    frozen(trainee, trained);
    const words = opened({ train: ['text_encoder.shared.weight'] });
    assert.deepEqual(
      [...trainableParameters(words.trainee, words.recipe).keys()],
      ['text_encoder.shared.weight'],
    );
  });

  test('trains layers of low rank alone', () => {
    const { trainee, recipe } = opened({ lora: { rank: 2, targets: ['attn1.q_proj'] } });
    const alone = trainableParameters(trainee, recipe);
    assert.equal(alone.size, 2 * trainee.lora!.weights().size);
    for (const [name, value] of alone) {
      assert.match(name, /^transformer\.transformer_blocks\.\d+\.attn1\.q_proj\..*lora/);
      assert.ok(value.requiresGrad, name);
    }
    frozen(trainee, alone);
  });
});

describe('trainedNetworks', () => {
  const elements = (trained: ReadonlyMap<string, Tensor>) =>
    [...trained].map(([name, { numel }]) => [name, numel]);
  const counted = (recipe: PipelineRecipe) => [
    ...trainedNetworks(recipe, recipeShape(recipe), 'float32').trained,
  ];

  test('are what the optimizer gets, with nothing built', () => {
    for (const transformer of [
      {},
      { train: ['transformer.*attn1*', 'text_encoder.shared.weight'], freeze: ['*.bias'] },
      { lora: { rank: 2, targets: ['attn1.q_proj', 'fc1'] } },
    ]) {
      const { trainee, recipe } = opened(transformer);
      const built = elements(trainableParameters(trainee, recipe));
      assert.deepEqual(counted(recipe), built, JSON.stringify(transformer));
    }
    const recipe = tinyRecipe();
    const fresh = elements(trainableParameters(tinyTrainee(recipe), recipe));
    // words of its own vocabulary are counted as they were measured
    const others = (all: readonly unknown[][]) => all.filter(([name]) => !/shared/.test(`${name}`));
    assert.deepEqual(others(counted(recipe)), others(fresh));
  });
});

describe('what a run leaves', () => {
  const TARGETS = { rank: 2, targets: ['attn1.q_proj', 'fc1'] };

  test('with low rank: lora/ while it runs; at the end pipeline/ with the same merged', (context) => {
    const { trainee, recipe } = opened({ lora: TARGETS });
    const run = Run.open(join(root, 'low'), recipe);
    const generator = new Generator(3);
    noGrad(() => {
      for (const value of trainee.lora!.parameters()) value.normal_(0, 0.1, { generator });
    });
    exportTrainee(trainee, run);
    assert.deepEqual(readdirSync(run.path('lora')), ['pytorch_lora_weights.safetensors']);
    assert.ok(!existsSync(run.path('pipeline')), 'not yet');
    const dispose = context.mock.method(trainee.lora!, 'dispose');
    exportFinished(trainee, run);
    assert.equal(dispose.mock.callCount(), 1, 'the layers are freed once');
    assert.ok(existsSync(run.path('lora')), 'stays');

    // weight + alpha / rank · b · a, rounded to bfloat16: 8 bits of the largest
    const [was, now] = [base, run.path('pipeline')].map((folder) =>
      openPipeline(folder, { dtype: 'float32', oneAtATime: false }),
    );
    const { weights: changes } = readLora(run.path('lora'));
    const before = new Map<string, Tensor>(was!.transformer.stateDict());
    for (const [name, value] of now!.transformer.stateDict()) {
      const change = changes.get(name.replace(/\.weight$/, ''));
      let wanted = before.get(name)!;
      if (change) {
        const { a, b, alpha } = change;
        wanted = wanted.add(b.matmul(a).mul(alpha / TARGETS.rank));
      }
      const off = value.sub(wanted).abs().amax().item();
      const most = change ? wanted.abs().amax().item() / 256 : 0;
      assert.ok(off <= most, `${name}: ${off} above ${most}`);
      if (change) assert.ok(before.get(name)!.sub(value).abs().amax().item() > 2 * most, name);
    }
    assert.deepEqual(now!.settings, was!.settings);
  });

  test('in full: pipeline/ with the words that it had', () => {
    const { trainee, recipe } = opened();
    const run = Run.open(join(root, 'full'), recipe);
    exportFinished(trainee, run);
    assert.ok(!existsSync(run.path('lora')), 'no layers of low rank');
    const now = openPipeline(run.path('pipeline'), { dtype: 'float32' });
    assert.deepEqual(now.settings, trainee.pipeline.settings);
    const prompts = ['a red cube #task: text-to-video'];
    const [after, before] = [now, trainee.pipeline].map(
      (pipeline) => pipeline.encodePrompts(prompts).states,
    );
    // the base is stored in bfloat16 already
    assert.equal(after!.to('float32').sub(before!.to('float32')).abs().amax().item(), 0);
  });
});
