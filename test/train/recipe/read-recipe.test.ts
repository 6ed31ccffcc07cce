import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { type Change, readRecipe } from '../../../src/train/recipe/read-recipe.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';
import { Run } from '../../../src/train/run/run.js';
import { recipeChanges } from '../../../src/train/run/stored-recipe.js';

const folder = mkdtempSync(join(tmpdir(), 'mfm-recipe-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = {
  name: 'tiny',
  autoencoder: { steps: 1, batches: [{ numFrames: 5, batchSize: 1 }] },
  data: [{ miniworld: { clips: 1, images: 1 } }],
  transformer: { steps: 1 },
};

/** A pipeline trained on, which has an autoencoder already. */
const BASED = { ...GOOD, base: 'one', autoencoder: undefined };

function recipe(source: unknown): string {
  const path = join(folder, 'recipe.yaml');
  writeFileSync(path, typeof source === 'string' ? source : JSON.stringify(source));
  return path;
}

const problemsOf = (source: unknown): string[] => {
  try {
    readRecipe(recipe(source));
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message.split('\n').map((line) => line.trim());
  }
  return [];
};

describe('readRecipe', () => {
  test('reads every recipe of the folder', () => {
    for (const name of readdirSync('recipes').filter((file) => file.endsWith('.yaml'))) {
      assert.equal(readRecipe(join('recipes', name)).name, name.replace('.yaml', ''));
    }
  });

  test('fills in defaults, but not what the pipeline says of itself', () => {
    const read = readRecipe(recipe(GOOD));
    assert.equal(read.transformer?.learningRate, 1e-3);
    assert.deepEqual(read.pipeline, {});
  });

  test('takes a word for depth, and keeps it where another key of it is changed', () => {
    const depthOf = (depth: unknown, ...changes: [string, string][]) =>
      readRecipe(
        recipe(depth === undefined ? GOOD : { ...GOOD, depth }),
        changes.map(([key, text]) => ({ path: key.split('.'), text })),
      ).depth;
    assert.deepEqual(depthOf(undefined), { from: 'auto', dropout: 0.1, frameDropout: 0 });
    const none = { from: 'none', dropout: 0.1, frameDropout: 0 };
    assert.deepEqual(depthOf('none'), none);
    assert.deepEqual(depthOf(undefined, ['depth', 'none']), none);
    assert.deepEqual(depthOf('exact', ['depth.dropout', '0']), {
      ...none,
      from: 'exact',
      dropout: 0,
    });
    // a name on the hub is no path beside the recipe
    const { model } = depthOf({ model: 'some/depth-model' });
    assert.equal(model, 'some/depth-model');
    assert.match(depthOf({ model: '../depth-model' }).model!, /depth-model$/);
    assert.throws(() => depthOf('file'), { message: /depth\.from: / });
  });

  test('applies changes before it checks', () => {
    const changes = [
      { path: ['transformer', 'steps'], value: 7 },
      { path: ['pipeline', 'fps'], value: 8 },
    ];
    const read = readRecipe(recipe(GOOD), changes);
    assert.deepEqual([read.transformer?.steps, read.pipeline], [7, { fps: 8 }]);
  });

  test('reads changes as YAML where they are a text', () => {
    const changes = [
      ['transformer.tasks', '{t2i: 1, t2v: 2.5}'],
      ['transformer.learningRate', '1e-4'],
      ['transformer.freeze', '["*.bias", text_encoder.*]'],
      ['pipeline.negativePrompt', '*blurry'],
      ['pipeline.addedPrompt', ''],
      ['data', '[{"manifest": "own"}]'],
    ].map(([path, text]) => ({ path: path!.split('.'), text: text! }));
    const { transformer, pipeline, data } = readRecipe(recipe(GOOD), changes);
    assert.deepEqual(
      [transformer?.tasks, transformer?.learningRate, transformer?.freeze],
      [{ t2i: 1, t2v: 2.5 }, 1e-4, ['*.bias', 'text_encoder.*']],
    );
    assert.deepEqual(
      [pipeline, data],
      [{ negativePrompt: '*blurry', addedPrompt: '' }, [{ manifest: 'own', weight: 1 }]],
    );
  });

  test('refuses counts that nothing has room for, by their keys, before anything is made', () => {
    const own = { ...GOOD, transformer: { steps: 1, adapter: { steps: 1 }, lora: {} }, base: '/a' };
    const absurd = [
      ...[
        'transformer.steps=1e300',
        'transformer.logEverySteps=1e15',
        'transformer.width=16000000',
      ],
      ...['transformer.numFrames=400001', 'transformer.tokensPerBatch=1e12'],
      ...[
        'transformer.sequenceParallel=1e9',
        'transformer.numLayers=1e6',
        'transformer.numHeads=1e6',
      ],
      ...['transformer.learningRate=1e300', 'transformer.keepCheckpoints=1e15'],
      ...['transformer.lora.rank=1e9', 'transformer.adapter.warmupSteps=1e12'],
      ...['transformer.adapterChannels.0=1e9', 'transformer.tasks.t2i=1e300'],
      ...['transformer.maxSeconds=1e300', 'transformer.timestepShift=1e300'],
      ...['autoencoder.layersPerBlock=1e6', 'autoencoder.blockOutChannels.0=1e12'],
      ...['autoencoder.batches.0.batchSize=1e9', 'autoencoder.batches.0.numFrames=4000001'],
      ...['textEncoder.numLayers=1e6', 'textEncoder.width=32000000', 'validationSamples=1e12'],
      ...['data.0.miniworld.images=1e12', 'data.0.weight=1e300', 'pipeline.numInferenceSteps=1e15'],
      ...['pipeline.width=16000000', 'pipeline.numFrames=400000001', 'pipeline.fps=1e9'],
    ];
    for (const text of absurd) {
      const [path, value] = text.split('=') as [string, string];
      const changes = [{ path: path.split('.'), text: value }];
      const key = path.replaceAll('.', '\\.');
      assert.throws(
        () => readRecipe(recipe(own), changes),
        {
          name: 'InputError',
          message: new RegExp(`^  ${key}(\\.0)?: must be at most `, 'm'),
        },
        text,
      );
    }
    assert.match(problemsOf({ ...GOOD, name: '..' }).join(), /name: must be more than dots/);
  });

  describe('null in a change', () => {
    const STAGES = {
      ...GOOD,
      seed: 5,
      data: [{ manifest: '/a' }, { manifest: '/b', weight: 2 }],
      transformer: {
        steps: 2,
        learningRate: 0.5,
        tasks: { t2i: 1, t2v: 3, isr: 2 },
        stages: [{ name: 'one', width: 32, imageShare: [0.5, 0.5] }, { name: 'two' }],
      },
    };
    const changed = (...texts: string[]) =>
      readRecipe(
        recipe(STAGES),
        texts.map((text) => {
          const [path, value] = text.split('=');
          return { path: path!.split('.'), text: value! };
        }),
      );

    test('takes a key away, also in objects and lists, and a place out of a list', () => {
      const { seed, data, transformer } = changed(
        ...['seed=null', 'data.0=null', 'data.0.weight=~', 'transformer.learningRate=null'],
        ...['transformer.tasks.isr=null', 'transformer.stages.0.width=null'],
        ...['transformer.stages.1=null', 'transformer.maxSeconds=null'],
      );
      assert.deepEqual([seed, data], [0, [{ manifest: '/b', weight: 1 }]]);
      const { learningRate, tasks, stages } = transformer!;
      assert.deepEqual(
        [learningRate, tasks, stages],
        [1e-3, { t2i: 1, t2v: 3 }, [{ name: 'one', imageShare: [0.5, 0.5] }]],
      );
    });

    test('says what there is none of, and which key was meant', () => {
      const problems = (...texts: string[]) => {
        try {
          changed(...texts);
        } catch (error) {
          return (error as Error).message.split('\n').slice(1);
        }
        return [];
      };
      assert.deepEqual(
        problems('transformer.learningrate=null', 'data.7=null', 'transformer.tasks.vsr=null'),
        [
          '  transformer.learningrate: unknown key; did you mean "learningRate"?',
          '  data.7: cannot be taken away, as the recipe does not have it',
          '  transformer.tasks.vsr: cannot be taken away, as the recipe does not have it',
        ],
      );
      assert.deepEqual(problems('name=null').length, 1);
    });

    test('is no place in a list that another value could take', () => {
      assert.throws(
        () => changed('data.5.manifest=c'),
        /data\.5: must be a place in the list, 2 for a new one at its end, got "5"$/m,
      );
      assert.throws(() => changed('data.x=c'), /data\.x: must be a place in the list, 2 .*"x"$/m);
      const { data } = changed('data.2.manifest=c', 'data.1.weight=4');
      assert.deepEqual(
        data.map(({ manifest, weight }) => [manifest, weight]),
        [
          ['/a', 1],
          ['/b', 4],
          ['c', 1],
        ],
      );
    });
  });

  test('changes own keys alone', () => {
    for (const path of [
      ['__proto__', 'x'],
      ['constructor', 'prototype', 'x'],
      ['toString', 'x'],
    ]) {
      const told = { name: 'InputError', message: new RegExp(`${path[0]}: unknown key`) };
      assert.throws(() => readRecipe(recipe(GOOD), [{ path, value: 1 }]), told);
      assert.equal('x' in {}, false);
    }
  });

  test('a stage has what it leaves out from the plan, the sources too', () => {
    const [first, second] = stagesOf(
      readRecipe(
        recipe({
          ...GOOD,
          transformer: {
            steps: 5,
            learningRate: 0.5,
            textDropout: { image: 0.2 },
            stages: [
              { name: 'first' },
              { name: 'second', steps: 2, width: 32, data: [{ manifest: 'a.csv' }] },
            ],
          },
        }),
      ),
    );
    const { name, steps, learningRate, width, textDropout, data, weightDecay } = second!;
    assert.deepEqual({ ...first, name, steps, width, data }, second);
    assert.deepEqual(
      { name, steps, learningRate, width, textDropout, data, weightDecay },
      {
        name: 'second',
        steps: 2,
        learningRate: 0.5,
        width: 32,
        weightDecay: 0.01,
        textDropout: { image: 0.2, video: 0.1 },
        data: [{ manifest: join(folder, 'a.csv'), weight: 1 }],
      },
    );
    const read = readRecipe(recipe(GOOD));
    const [all, ...more] = stagesOf(read);
    assert.deepEqual([all!.name, all!.data, more], ['all', read.data, []]);
  });

  test('takes the steps of each stage, and misses those of a stage that has none', () => {
    const stages = [{ name: 'first', steps: 3 }, { name: 'second' }];
    const of = (transformer: object) => problemsOf({ ...GOOD, transformer }).slice(1);
    assert.deepEqual(of({ stages: stages.slice(0, 1) }), []);
    assert.deepEqual(of({ stages, steps: 2 }), []);
    assert.deepEqual(of({ stages }), [
      'transformer.stages.1.steps: is missing; give it here, or for all stages as transformer.steps',
    ]);
    assert.deepEqual(of({}), ['transformer.steps: is missing; give the number of optimizer steps']);
  });

  test('lists all problems at once, with the key meant', () => {
    const problems = problemsOf({
      ...GOOD,
      sed: 1,
      transformer: { steps: 0, learningrate: 1, textDropout: { imag: 0.5 } },
      pipeline: { numFrame: 5 },
    });
    assert.match(problems[0]!, /recipe\.yaml: 5 problems$/);
    const all = problems.join('\n');
    assert.match(all, /^sed: unknown key; did you mean "seed"\?/m);
    assert.match(all, /^transformer\.steps: /m);
    assert.match(all, /^transformer\.learningrate: unknown key; did you mean "learningRate"\?/m);
    assert.match(all, /^transformer\.textDropout\.imag: unknown key; did you mean "image"\?/m);
    assert.match(all, /^pipeline\.numFrame: unknown key; did you mean "numFrames"\?/m);
  });

  test('names keys within lists and layers of low rank, and what was meant', () => {
    const problems = problemsOf({
      ...GOOD,
      data: [{ manifest: 'a.csv' }, { manifest: 'b.csv', wheight: 2 }],
      transformer: {
        steps: 1,
        numFrames: 7,
        lora: { rnk: 4 },
        stages: [
          { name: 'first', learningrate: 1 },
          { name: 'second', betas: [0, 0] },
        ],
      },
    });
    assert.deepEqual(problems.slice(1), [
      'data.1.wheight: unknown key; did you mean "weight"?',
      'transformer.lora.rnk: unknown key; did you mean "rank"?',
      'transformer.numFrames: must be 4k + 1 (1, 5, 9, …), got 7',
      'transformer.stages.0.learningrate: unknown key; did you mean "learningRate"?',
      // the optimizer is one for all stages
      'transformer.stages.1.betas: unknown key',
    ]);
  });

  test('refuses means that never move, and rates that are none', () => {
    const wrong = {
      betas: [1, 0.9],
      emaDecay: 1,
      weightDecay: -0.1,
      rollBackLearningRate: 0,
      learningRate: 0,
      finalLearningRate: -1,
    };
    const of = (plan: object) =>
      problemsOf({ ...GOOD, transformer: { steps: 1, ...plan } })
        .slice(1)
        .map((problem) => problem.split(':')[0]);
    assert.deepEqual(
      of(wrong).toSorted(),
      ['betas.0', ...Object.keys(wrong).slice(1)].map((key) => `transformer.${key}`).toSorted(),
    );
    const infinite = 'name: tiny\ntransformer: { steps: 1, learningRate: .inf }';
    assert.match(problemsOf(infinite)[1]!, /^transformer\.learningRate: /);
    assert.deepEqual(of({ betas: [0, 0], emaDecay: 0, weightDecay: 0 }), []);
  });

  test('says a wrong number of frames once', () => {
    const problems = problemsOf({
      ...GOOD,
      transformer: { steps: 1, numFrames: 0 },
      pipeline: { numFrames: -3 },
    });
    assert.deepEqual(
      problems.slice(1).map((problem) => problem.split(':')[0]),
      ['transformer.numFrames', 'pipeline.numFrames'],
    );
  });

  test('tells what a schema cannot see beside what it can', () => {
    const problems = problemsOf({
      ...GOOD,
      sed: 1,
      base: 'one',
      autoencoder: { from: 'two', normNumGroups: 0 },
      transformer: {
        steps: 0,
        tasks: { t2x: 1 },
        imageShare: [2, 0],
        sequenceParallel: 3,
        stages: [
          { name: 'a', batches: [] },
          { name: 'a', steps: 1 },
        ],
      },
      pipeline: { tasks: ['t2i', 'zzz'] },
    });
    assert.deepEqual(
      problems.slice(1).map((problem) => problem.split(':')[0]),
      [
        'autoencoder.normNumGroups',
        'transformer.steps',
        'transformer.imageShare.0',
        'transformer.stages.0.batches',
        'sed',
        'transformer.tasks.t2x',
        'pipeline.tasks.zzz',
        // of stages with a faulty key nothing more is said
        'autoencoder.from',
      ],
    );
    // what is left out is no value to judge by
    const unnamed = problemsOf({ transformer: { stages: [{ name: 'a' }], numFrames: 3 } });
    assert.deepEqual(
      unnamed.slice(1).map((problem) => problem.split(':')[0]),
      ['name', 'transformer.numFrames', 'transformer.stages.0.steps'],
    );
  });

  test('takes one source at a time, and at least one', () => {
    const of = (data: unknown) => problemsOf({ ...GOOD, data }).slice(1);
    assert.deepEqual(of([{ manifest: 'a.csv', miniworld: {} }]), [
      'data.0: must be either miniworld, manifest or dataset',
    ]);
    assert.deepEqual(of([{ weight: 2 }]), [
      'data.0: must be either miniworld, manifest or dataset',
    ]);
    assert.equal(of([]).length, 1);
  });

  test('checks what a schema cannot see', () => {
    const problems = problemsOf({
      ...GOOD,
      autoencoder: {
        steps: 1,
        batches: [{ numFrames: 5, batchSize: 1 }],
        blockOutChannels: [9, 8],
      },
      transformer: {
        steps: 1,
        tasks: { t2x: 1 },
        stages: [{ name: 'a' }, { name: 'b' }, { name: 'a' }],
      },
      pipeline: { tasks: ['t2i', 't2z'], taskSettings: { t2y: { guidanceScale: 1 } } },
    }).join('\n');
    assert.match(
      problems,
      /transformer\.stages\.2\.name: must differ from the stages before it, got "a"/,
    );
    assert.match(problems, /pipeline\.tasks\.t2z: unknown task; there are t2i/);
    assert.match(problems, /transformer\.tasks\.t2x: unknown task; there are t2i/);
    assert.match(problems, /pipeline\.taskSettings\.t2y: unknown task; there are t2i/);
    assert.match(problems, /blockOutChannels: must be multiples of normNumGroups \(8\), got 9/);
    assert.match(problems, /blockOutChannels: must be 4 widths .*got 2/);
  });

  test('refuses blocks that the network does not have', () => {
    const problems = (transformer: object) =>
      problemsOf({ ...GOOD, transformer: { steps: 1, numLayers: 3, ...transformer } });
    assert.deepEqual(problems({ tokenRouting: { share: 0.5 } }), []);
    assert.deepEqual(problems({ tokenRouting: { share: 0.5, last: 2, first: 0 } }), []);
    const refused = (tokenRouting: object, got: string) =>
      assert.deepEqual(problems({ tokenRouting }).slice(1), [
        `transformer.tokenRouting: must skip blocks between 0 and 2, got ${got}`,
      ]);
    refused({ share: 0.5, last: 3 }, '1 to 3');
    refused({ share: 0.5, first: 2 }, '2 to 1');
    assert.deepEqual(problems({ tokenRouting: { share: 0, last: 9 } }), []);
    const stages = [{ name: 'a' }, { name: 'b', tokenRouting: { share: 0.5, last: 3 } }];
    assert.match(problems({ stages })[1]!, /^transformer\.stages\.1\.tokenRouting: must skip/);
    assert.deepEqual(problems({ alignment: { weight: 1, block: 3 } }).slice(1), [
      'transformer.alignment.block: must be between 0 and 2, got 3',
    ]);
    assert.deepEqual(problems({ alignment: { weight: 1 } }), []);
    const other = [
      { name: 'a', alignment: { weight: 1 } },
      { name: 'b', alignment: { weight: 1, to: 'scene' } },
    ];
    assert.deepEqual(problems({ stages: other }).slice(1), [
      'transformer.stages.1.alignment.to: must be the same in all stages (latents), got scene',
    ]);
    assert.deepEqual(problems({ tokenRouting: { share: 1 } }).slice(1), [
      'transformer.tokenRouting.share: must be at most 0.95, got 1',
    ]);
  });

  test('takes a shift of noise levels for all tasks, or for each', () => {
    const problems = (timestepShift: unknown) =>
      problemsOf({ ...GOOD, transformer: { steps: 1, timestepShift } }).slice(1);
    for (const good of [2.5, { default: 2.5, i2v: 1.6, image: 2 }, {}]) {
      assert.deepEqual(problems(good), []);
    }
    const change = { path: ['transformer', 'timestepShift', 'i2v'], text: '1.6' };
    const plan = { steps: 1, timestepShift: 2.5 };
    assert.deepEqual(
      readRecipe(recipe({ ...GOOD, transformer: plan }), [change]).transformer?.timestepShift,
      { default: 2.5, i2v: 1.6 },
    );
    assert.deepEqual(problems(-1), ['transformer.timestepShift: must be above 0, got -1']);
    assert.deepEqual(problems({ i2v: 0 }), [
      'transformer.timestepShift.i2v: must be above 0, got 0',
    ]);
    assert.deepEqual(problems({ i2w: 2 }), [
      'transformer.timestepShift.i2w: unknown key; did you mean "i2v"?',
    ]);
    for (const bad of ['much', { i2v: 'much' }]) {
      assert.deepEqual(problems(bad), [
        'transformer.timestepShift: must be a number above 0, or such numbers by task, image, video and default',
      ]);
    }
  });

  test('refuses what a source cannot be used for', () => {
    const of = (source: object, transformer: object = {}) =>
      problemsOf({
        ...GOOD,
        data: [{ ...GOOD.data[0], ...source }],
        transformer: { steps: 1, ...transformer },
      }).join('\n');
    assert.equal(of({ tasks: { not: ['t2i', 't2v'] } }), '');
    assert.equal(of({ tasks: ['isr', 'vsr'] }, { tasks: { vsr: 1, isr: 1 } }), '');
    assert.match(of({ tasks: ['isx'] }), /data\.0\.tasks\.isx: unknown task; there are t2i/);
    assert.match(of({ tasks: { not: ['isx'] } }), /data\.0\.tasks\.isx: unknown task/);
    assert.match(of({ tasks: 'isr' }), /data\.0\.tasks: must be a list of tasks, or { not: /);
    assert.match(
      of({ tasks: { not: ['t2i'] } }, { tasks: { t2i: 1, isr: 1 } }),
      /transformer\.tasks\.t2i: no source of its data is used for it/,
    );
    assert.match(of({ augment: 4 }), /data\.0\.augment: makes variants of files; leave it out/);
    const world = (miniworld: object) => of({ miniworld: { clips: 1, images: 1, ...miniworld } });
    assert.equal(world({ solids: [2, 4], moreShapes: true, reuse: 4, plainShare: 0.2 }), '');
    assert.match(world({ solids: [3, 2] }), /solids: must have the smaller number first, got/);
    assert.match(world({ solids: [1, 5] }), /solids\.1: must be/);
    assert.match(world({ reuse: 0 }), /reuse: must be/);
    const depth = { ...GOOD, data: [{ miniworld: { reuse: 2 } }], depth: 'model' };
    assert.match(problemsOf(depth).join(), /depth\.from: model .* cannot with miniworld\.reuse/);
  });

  test('refuses tasks that the data cannot teach', () => {
    const problems = problemsOf({
      ...GOOD,
      transformer: { steps: 1, numFrames: 5, tasks: { t2i: 1, i2v: 1, vexd: 1, vtrans: 1 } },
    });
    assert.deepEqual(problems.slice(1), [
      'transformer.tasks.vexd: cannot be learnt from clips of 5 frames (fewer than 13 frames)',
      'transformer.tasks.vtrans: cannot be learnt from clips of 5 frames (fewer than 9 frames)',
    ]);
  });

  test('refuses no task at all in one sentence', () => {
    const none = { ...GOOD, transformer: { steps: 1, tasks: {} }, pipeline: { tasks: [] } };
    assert.deepEqual(problemsOf(none).slice(1), [
      'transformer.tasks: must name at least one task; leave it out for all',
      'pipeline.tasks: must name a task; leave it out for all that are trained',
    ]);
  });

  test('refuses scenes of no kind, or of none that a task is for', () => {
    const of = (miniworld: object, tasks: object) =>
      problemsOf({
        ...GOOD,
        data: [{ miniworld }],
        transformer: { steps: 1, tasks, imageShare: [0, 0] },
      }).slice(1);
    assert.deepEqual(of({ clips: 0, images: 0 }, { i2v: 1 }), [
      'data.0.miniworld: must have clips or images, got 0 of both',
    ]);
    assert.deepEqual(of({ clips: 0, images: 8 }, { i2v: 1 }), [
      'transformer.tasks: need images or clips, but miniworld makes 0 of them',
    ]);
    assert.deepEqual(of({ clips: 1, images: 0 }, { i2v: 1 }), []);
  });

  test('refuses batches that no task is there for', () => {
    const of = (tasks: Record<string, number>, more = {}) =>
      problemsOf({ ...GOOD, transformer: { steps: 1, tasks, ...more } }).slice(1);
    assert.deepEqual(of({ i2v: 1 }, { imageShare: [1, 0.1] }), [
      'transformer.imageShare: must be [0, 0] where no task makes an image, got [1, 0.1]',
    ]);
    assert.deepEqual(of({ iinp: 1 }, { imageShare: [1, 0.1] }), [
      'transformer.imageShare: must be [1, 1] where no task makes a clip, got [1, 0.1]',
    ]);
    // the default goes by the tasks
    for (const tasks of [{ i2v: 1 }, { iinp: 1 }, { i2v: 1, iinp: 1 }]) {
      assert.deepEqual(of(tasks as Record<string, number>), []);
    }
    assert.deepEqual(of({ i2v: 1 }, { imageShare: [0, 0] }), []);
    assert.deepEqual(of({ iinp: 1 }, { imageShare: [1, 1] }), []);
    // where clips are mixed in fully from the start, the first share never comes
    assert.deepEqual(of({ i2v: 1 }, { imageShare: [1, 0], mixAt: 0 }), []);
  });

  test('tells what is wrong with every stage at once, by its place', () => {
    const problems = problemsOf({
      ...GOOD,
      transformer: {
        steps: 1,
        tasks: { t2i: 1, vexd: 1 },
        imageShare: [1, 0],
        stages: [
          { name: 'fine' },
          { name: 'short', numFrames: 9 },
          { name: 'unknown', tasks: { t2x: 1 } },
          { name: 'still', tasks: { t2i: 1 }, imageShare: [0.5, 0.5] },
          { name: 'moving', tasks: { t2v: 1 }, mixAt: 0, imageShare: [1, 0.5] },
        ],
      },
    });
    const stage = (index: number, rest: string) => `transformer.stages.${index}.${rest}`;
    assert.deepEqual(
      problems.slice(1).map((problem) => problem.replace(/; there are .*/, '')),
      [
        stage(2, 'tasks.t2x: unknown task'),
        stage(1, 'tasks.vexd: cannot be learnt from clips of 9 frames (fewer than 13 frames)'),
        // of what is left there, t2i, no batch is a clip
        stage(1, 'imageShare: must be [1, 1] where no task makes a clip, got [1, 0]'),
        stage(3, 'imageShare: must be [1, 1] where no task makes a clip, got [0.5, 0.5]'),
        stage(4, 'imageShare: must be [0, 0] where no task makes an image, got [1, 0.5]'),
      ],
    );
  });

  test('does not guess what files are good for', () => {
    const transformer = { steps: 1, numFrames: 9, tasks: { t2i: 1, vexd: 1, vtrans: 1 } };
    assert.deepEqual(problemsOf({ ...GOOD, data: [{ manifest: 'clips' }], transformer }), []);
    const both = [{ manifest: 'clips' }, { miniworld: {} }];
    assert.deepEqual(problemsOf({ ...GOOD, data: both, transformer }), []);
  });

  test('refuses plans for networks whose weights are given', () => {
    const based = problemsOf({
      ...GOOD,
      base: 'one',
      autoencoder: { steps: 2000, blockOutChannels: [8, 8, 8, 8] },
      textEncoder: { width: 64 },
      transformer: { steps: 1, preset: 'mfm-2b' },
    });
    const idle = (key: string, origin: string) =>
      `${key}: has no effect, as ${origin} has finished weights; leave it out`;
    assert.deepEqual(based.slice(1), [
      'transformer.preset: is determined by base already; leave one of them out',
      idle('autoencoder.steps', 'base'),
      idle('autoencoder.blockOutChannels', 'base'),
      idle('textEncoder.width', 'base'),
    ]);
    const transformer = { steps: 1, conditionScale: 2 };
    assert.deepEqual(
      problemsOf({ ...BASED, scheduler: { shift: 3 }, transformer }).slice(1),
      ['transformer.conditionScale', 'scheduler.shift'].map(
        (key) => `${key}: is determined by base already; leave one of them out`,
      ),
    );
    const distilled = { ...BASED, distillation: {}, transformer: { freeze: ['a'] } };
    assert.deepEqual(problemsOf(distilled).slice(1), [
      'transformer.freeze: has no effect on a distillation, which trains all of the transformer with AdamW; leave it out',
    ]);
    const from = problemsOf({
      ...GOOD,
      autoencoder: { from: 'one', learningRate: 0.1 },
      depthModel: { from: 'two', batchSize: 2 },
    });
    assert.deepEqual(from.slice(1), [
      idle('autoencoder.learningRate', 'autoencoder.from'),
      idle('depthModel.batchSize', 'depthModel.from'),
    ]);
    // what a recipe says by default is in a run's own recipe too
    assert.deepEqual(problemsOf({ ...BASED, autoencoder: { steps: 6700 } }), []);
  });

  test('refuses to train an adapter alone that is trained already, or that no task needs', () => {
    const adapter = { steps: 1 };
    const based = { ...BASED, transformer: { steps: 1, adapter } };
    assert.deepEqual(problemsOf(based).slice(1), [
      'transformer.adapter: is determined by base already; leave one of them out',
    ]);
    const from = { ...GOOD, transformer: { steps: 1, adapter, from: 'one' } };
    assert.deepEqual(problemsOf(from).slice(1), [
      'transformer.adapter: transformer.from has a trained adapter already; leave one of them out',
    ]);
    const tasks = { t2i: 1, isr: 1 };
    const images = { ...GOOD, transformer: { steps: 1, adapter, tasks, imageShare: [1, 1] } };
    assert.deepEqual(problemsOf(images).slice(1), [
      'transformer.adapter: learns from tasks that make clips from a condition, and the last stage has none; leave it out',
    ]);
  });

  test('refuses keys of Muon beside AdamW, and keys that a distillation does not have', () => {
    const optimizer = { momentum: 0.9, scale: 'original', learningRateFactor: 2 };
    assert.deepEqual(
      problemsOf({ ...GOOD, transformer: { steps: 1, optimizer } }).slice(1),
      Object.keys(optimizer).map(
        (key) =>
          `transformer.optimizer.${key}: has no effect on adamw; leave it out, or say name: muon`,
      ),
    );
    assert.deepEqual(
      problemsOf({
        ...GOOD,
        transformer: { steps: 1, optimizer: { ...optimizer, name: 'muon' } },
      }),
      [],
    );
    const levers = { contrast: 0.05, balance: 2, tokenRouting: {}, alignment: {} };
    const problems = problemsOf({ ...BASED, transformer: undefined, distillation: levers });
    assert.equal(problems.length, 1 + Object.keys(levers).length);
    for (const key of Object.keys(levers))
      assert.match(problems.join('\n'), new RegExp(`distillation.${key}: unknown key`));
    const data = [{ miniworld: { clips: 4, images: 4 }, tasks: ['t2x'] }];
    assert.match(
      problemsOf({ ...BASED, transformer: undefined, distillation: { data } }).join('\n'),
      /distillation.data.0.tasks.t2x: unknown task/,
    );
  });

  test('refuses weights from two places, and low rank beside fresh ones', () => {
    const twice = problemsOf({
      ...GOOD,
      base: 'one',
      init: 'zero',
      autoencoder: { from: 'two' },
      textEncoder: { from: 'three' },
      transformer: {
        steps: 1,
        from: 'four',
        numLayers: 2,
        numHeads: 3,
        adapterChannels: [8, 8, 8, 8, 8],
      },
    });
    const keys = ['init', 'autoencoder.from', 'textEncoder.from'];
    keys.push(
      ...['from', 'numLayers', 'numHeads', 'adapterChannels'].map((k) => `transformer.${k}`),
    );
    assert.deepEqual(
      twice.slice(1),
      keys.map((key) => `${key}: is determined by base already; leave one of them out`),
    );
    const decoder = { ...GOOD, autoencoder: { train: 'decoder' } };
    assert.deepEqual(problemsOf({ ...decoder, base: 'one' }).slice(1), [
      'autoencoder.train: has no effect, as base has a finished autoencoder; leave it out, or give the pipeline folder as init',
    ]);
    assert.deepEqual(problemsOf(decoder).slice(1), [
      'autoencoder.train: decoder needs a trained encoder; give its pipeline folder as init, or train all',
    ]);
    assert.deepEqual(problemsOf({ ...decoder, init: 'one' }), []);
    const keeping = { ...GOOD, autoencoder: { keepLatents: 0.1 } };
    assert.deepEqual(
      problemsOf({ ...keeping, autoencoder: { from: 'one', keepLatents: 0.1 } }).slice(1),
      [
        'autoencoder.keepLatents: has no effect, as autoencoder.from has a finished autoencoder; leave it out, or give the pipeline folder as init',
      ],
    );
    assert.deepEqual(problemsOf(keeping).slice(1), [
      'autoencoder.keepLatents: needs a trained encoder; give its pipeline folder as init, or leave it out',
    ]);
    const both = { ...keeping, init: 'one', autoencoder: { train: 'decoder', keepLatents: 0.1 } };
    assert.deepEqual(problemsOf(both).slice(1), [
      'autoencoder.keepLatents: has no effect, as train: decoder leaves the encoder as it is; leave one of them out',
    ]);
    assert.deepEqual(problemsOf({ ...keeping, init: 'one' }), []);
    const lora = { steps: 1, lora: { rank: 4 } };
    assert.deepEqual(problemsOf({ ...GOOD, transformer: lora }).slice(1), [
      'transformer.lora: needs trained weights; give their pipeline folder as base',
    ]);
    assert.deepEqual(problemsOf({ ...BASED, transformer: lora }), []);
  });

  test('refuses what would train weights beside layers of low rank', () => {
    const transformer = {
      steps: 1,
      lora: { rank: 4 },
      adapter: { steps: 1 },
      train: ['transformer.cond_conv.*'],
      freeze: ['text_encoder.*'],
    };
    assert.deepEqual(problemsOf({ ...BASED, transformer }).slice(1), [
      'transformer.train: trains weights that a LoRA cannot hold; leave out either train or lora',
      'transformer.adapter: trains weights that a LoRA cannot hold; leave out either adapter or lora',
      'transformer.freeze: has no effect with lora, which trains no weights; leave it out: lora.targets chooses what gets layers',
    ]);
    const { lora, adapter: _, ...others } = transformer;
    assert.deepEqual(problemsOf({ ...BASED, transformer: others }), []);
    const rates = { steps: 1, lora, optimizer: { name: 'muon' }, learningRateWidth: 256 };
    assert.deepEqual(problemsOf({ ...BASED, transformer: rates }).slice(1), [
      'transformer.optimizer.name: muon updates whole matrices, which a LoRA does not train; leave out either optimizer or lora',
      'transformer.learningRateWidth: has no effect with lora, whose layers have a rate of their own; leave it out',
    ]);
  });

  test('names a file that is missing or no recipe', () => {
    assert.throws(() => readRecipe(join(folder, 'none.yaml')), /none\.yaml: no such recipe/);
    assert.match(problemsOf('a: [1')[0]!, /must be YAML/);
    const deep = `a: ${'['.repeat(60_000)}`;
    assert.match(problemsOf(deep)[0]!, /must be YAML \(it is nested more than 100 levels deep\)/);
    assert.match(problemsOf('- a')[0]!, /must hold keys and values/);
  });
});

describe('the paths of a recipe', () => {
  const cwd = process.cwd();
  const at = (...names: string[]) => join(root, ...names);
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'mfm-paths-')));
  const write = (source: object, name = 'recipes/own.yaml') => {
    writeFileSync(at(name), JSON.stringify({ name: 'own', transformer: { steps: 1 }, ...source }));
    return at(name);
  };
  const read = (path: string, changes: Change[] = []) => {
    const said: string[] = [];
    return { recipe: readRecipe(path, changes, (sentence) => said.push(sentence)), said };
  };

  before(() => {
    for (const name of ['recipes/beside', 'recipes/both', 'work/both', 'work/here', 'above']) {
      mkdirSync(at(name), { recursive: true });
    }
    writeFileSync(at('recipes/shard-3.tar'), '');
    process.chdir(at('work'));
  });
  after(() => {
    process.chdir(cwd);
    rmSync(root, { recursive: true });
  });

  test('are relative to its folder, wherever they stand', () => {
    const { recipe, said } = read(
      write({
        base: '../above',
        data: [{ manifest: 'beside' }, { miniworld: {} }, { manifest: 'shard-{2..4}.tar' }],
        transformer: {
          steps: 1,
          data: [{ manifest: 'beside' }],
          stages: [
            { name: 'a', data: [{ manifest: '/somewhere' }, { manifest: '../recipes/../above' }] },
          ],
        },
      }),
    );
    assert.deepEqual(said, []);
    assert.equal(resolve(recipe.base!), at('above'));
    const manifests = (data: { manifest?: string }[] = []) =>
      data.map(({ manifest }) => manifest && resolve(manifest));
    assert.deepEqual(manifests(recipe.data), [
      ...[at('recipes/beside'), undefined, at('recipes/shard-{2..4}.tar')],
    ]);
    assert.deepEqual(manifests(recipe.transformer!.data), [at('recipes/beside')]);
    assert.deepEqual(manifests(recipe.transformer!.stages![0]!.data), ['/somewhere', at('above')]);
  });

  test('are those of the current folder where nothing is beside the recipe, which is said', () => {
    const from = { autoencoder: { from: 'here' }, textEncoder: { from: 'here' } };
    const { recipe, said } = read(write({ ...from, transformer: { steps: 1, from: 'here' } }));
    const { autoencoder, textEncoder, transformer } = recipe;
    assert.deepEqual(
      [autoencoder.from, textEncoder.from, transformer?.from],
      Array(3).fill('here'),
    );
    assert.equal(said.length, 3);
    assert.equal(
      said[0],
      `autoencoder.from: here is taken from the current folder, as it is not beside the recipe (${at('recipes/here')}); write it relative to the folder of the recipe`,
    );
  });

  test('are those beside the recipe where both are there, which is said', () => {
    const { recipe, said } = read(write({ init: 'both', data: [{ manifest: 'both' }] }));
    assert.deepEqual([recipe.init, recipe.data[0]!.manifest], Array(2).fill(at('recipes/both')));
    assert.match(
      said[0]!,
      /^init: both is taken from beside the recipe \(.*\), not from the current folder$/,
    );
    assert.match(said[1]!, /^data\.0\.manifest: both is taken from beside the recipe/);
  });

  test('are looked for beside it where there are none at all', () => {
    const { recipe, said } = read(write({ base: 'nowhere' }));
    assert.deepEqual([recipe.base, said], [at('recipes/nowhere'), []]);
  });

  test('in a change are relative to the current folder', () => {
    const changes = [
      { path: ['base'], text: 'both' },
      { path: ['data'], text: '[{manifest: beside}]' },
    ];
    const { recipe, said } = read(write({ base: 'beside' }), changes);
    assert.deepEqual([recipe.base, recipe.data[0]!.manifest, said], ['both', 'beside', []]);
  });

  test('of a run hold from any folder, as its recipe does', () => {
    const { recipe } = read(write({ base: 'both' }, 'work/own.yaml'));
    assert.equal(recipe.base, 'both');
    const folder = at('runs/own');
    Run.open(folder, recipe).close();
    process.chdir(root);
    const stored = read(join(folder, 'recipe.json'));
    assert.deepEqual([stored.recipe.base, stored.said], [at('work/both'), []]);
    assert.equal(recipeChanges(folder, stored.recipe), '');
    process.chdir(at('work'));
    assert.equal(recipeChanges(folder, recipe), '');
  });
});
