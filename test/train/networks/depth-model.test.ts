import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { writeImage } from '../../../src/media/index.js';
import { estimateDepth, openDepthModel } from '../../../src/models/depth-anything/index.js';
import { depthFolderOf, openPipeline } from '../../../src/pipeline/index.js';
import { setThreads } from '../../../src/tensor/index.js';
import { expectTrainable } from '../../../src/train/check.js';
import { depthMemory } from '../../../src/train/cost/depth-cost.js';
import { expectRoom } from '../../../src/train/cost/expect-room.js';
import { train } from '../../../src/train/index.js';
import type { RecipeInput } from '../../../src/train/recipe/config.js';
import { checkRecipe } from '../../../src/train/recipe/read-recipe.js';
import { summariseRun } from '../../../src/train/run/status.js';
import { temporaryFolder } from '../../temp-folder.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from '../tiny-parts.js';

const root = temporaryFolder();
const temporary = temporaryFolder();

const PLAN = {
  steps: 5,
  width: 32,
  height: 32,
  patchSize: 4,
  hiddenSize: 16,
  numLayers: 4,
  numHeads: 2,
  neckChannels: [4, 4, 8, 8],
  fusionChannels: 8,
  headChannels: 4,
  batchSize: 3,
  warmupSteps: 1,
  logEverySteps: 1,
  validateEverySteps: 3,
};

const recipe = (depthModel: object = {}, more: object = {}): RecipeInput => ({
  name: 'depth',
  dtype: 'float32',
  depthModel: { ...PLAN, ...depthModel },
  ...more,
});

async function photosIn(folder: string): Promise<string> {
  const [width, height] = [24, 16];
  for (let i = 0; i < 12; i++) {
    const data = Uint8Array.from({ length: width * height * 3 }, (_, p) => (p * (i + 3)) % 251);
    await writeImage(join(folder, `${i}.png`), { width, height, numFrames: 1, data });
  }
  return folder;
}

const linesOf = (run: string) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);

const checkpointOf = (run: string) => {
  const folder = join(run, 'checkpoints');
  const newest = readdirSync(folder).sort().at(-1)!;
  return ['weights', 'ema', 'optimizer'].map((name) =>
    readFileSync(join(folder, newest, `${name}.safetensors`)),
  );
};

describe('a recipe for a depth model alone', () => {
  const whole = join(root, 'whole');
  let photos: string;
  before(async () => {
    setThreads(1); // sums in one order
    photos = await photosIn(temporary);
    const outcome = await train(recipe({ photos }), { run: whole, workers: 2 });
    assert.deepEqual(outcome, { finished: true, run: whole, pipeline: join(whole, 'depth_model') });
  });

  test('ends with a folder that opens and estimates depth of pictures of several sizes', () => {
    const model = openDepthModel(join(whole, 'depth_model'), { dtype: 'float32' });
    for (const [width, height] of [
      [32, 32],
      [64, 48],
      [20, 44],
    ] as const) {
      const data = new Uint8Array(width * height * 3).fill(99);
      const depth = estimateDepth(model, { width, height, numFrames: 1, data });
      assert.deepEqual(depth.shape, [1, height, width]);
    }
    assert.equal(model.processor.config.ensure_multiple_of, 4);
    model.network.dispose();
    const bytes = readFileSync(join(whole, 'depth_model/model.safetensors'));
    assert.match(bytes.subarray(0, 4000).toString('latin1'), /BF16/);
    assert.ok(!existsSync(join(whole, 'pipeline')));
  });

  test('measures held-out scenes, with and without a look, and shows them', () => {
    const rows = linesOf(whole).filter((row) => 'validation/absrel' in row);
    assert.deepEqual(
      rows.map(({ step }) => step),
      [3, 5],
    );
    for (const row of rows) {
      for (const key of ['absrel', 'absrel-look']) assert.ok(row[`validation/${key}`]! > 0, key);
      for (const key of ['rank', 'rank-look']) {
        assert.ok(Math.abs(row[`validation/${key}`]!) <= 1, key);
      }
    }
    assert.deepEqual(readdirSync(join(whole, 'samples')), ['depth-000005.png']);
    const { state, part, step, steps, validation } = summariseRun(whole);
    assert.deepEqual([state, part, step, steps], ['finished', 'depthModel', 5, 5]);
    assert.equal(validation, rows.at(-1)!['validation/absrel']);
  });

  test('stopped and resumed equals uninterrupted, bit for bit', async () => {
    const run = join(root, 'stopped');
    for (const last of [2, 4, Number.POSITIVE_INFINITY]) {
      const stop = new AbortController();
      const outcome = await train(recipe({ photos }), {
        run,
        resume: true,
        workers: 1,
        signal: stop.signal,
        onEvent: (event) => {
          if (event.type === 'progress' && event.done === last) stop.abort();
        },
      });
      assert.equal(outcome.finished, last > 5);
    }
    const [own, others] = [checkpointOf(run), checkpointOf(whole)];
    assert.deepEqual(
      own.map((bytes, i) => bytes.equals(others[i]!)),
      [true, true, true],
    );
    const [mine, theirs] = [run, whole].map((folder) =>
      readFileSync(join(folder, 'depth_model/model.safetensors')),
    );
    assert.ok(mine!.equals(theirs!));
  });

  test('goes on without a photo that is damaged, which is said', async () => {
    const folder = join(root, 'damaged');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a.png'), 'no picture');
    const notes: string[] = [];
    const { finished } = await train(recipe({ photos: folder, steps: 1, plainShare: 0 }), {
      run: join(root, 'without'),
      workers: 1,
      onEvent: (event) => {
        if (event.type === 'note') notes.push(event.text);
      },
    });
    assert.ok(finished);
    const said = notes.filter((note) => note.endsWith('; the photo is left out'));
    assert.equal(said.length, 1, notes.join('\n'));
    assert.match(said[0]!, /a\.png/);
  });

  test('does not resume with another network', async () => {
    const other = async () =>
      await train(recipe({ photos, hiddenSize: 32 }), { run: whole, resume: true });
    await assert.rejects(other, {
      name: 'InputError',
      message: /its weights began with depthModel\.hiddenSize 16, not 32/,
    });
  });

  test('is refused where it does not fit into memory, and where photos are missing', () => {
    const checked = checkRecipe(recipe(), 'recipe');
    const bytes = depthMemory(checked.depthModel!, 'float32');
    expectRoom(checked, { ranks: 1, local: 1 }, { bytes, device: null });
    assert.throws(
      () => expectRoom(checked, { ranks: 1, local: 1 }, { bytes: bytes - 1, device: null }),
      {
        name: 'InputError',
        message: /^depthModel: needs .* of memory .*; lower its batchSize, or /,
      },
    );
    const nowhere = checkRecipe(recipe({ photos: join(root, 'nowhere') }), 'recipe');
    assert.throws(() => expectTrainable(nowhere), { name: 'InputError', message: /nowhere/ });
  });
});

describe('a recipe for a pipeline and its depth model', () => {
  const parts = {
    data: [{ miniworld: { clips: 2, images: 2 } }],
    validationSamples: 0,
    autoencoder: {
      steps: 1,
      ...TINY_AUTOENCODER,
      batches: [{ numFrames: 1, batchSize: 1 }],
    },
    textEncoder: TINY_TEXT_ENCODER,
    transformer: {
      ...TINY_TRANSFORMER,
      tokensPerBatch: 8,
      steps: 1,
      tasks: { t2i: 1, t2v: 1 },
    },
  };
  const run = join(root, 'pipeline');
  const opens = (pipeline: string) => {
    const folder = depthFolderOf(pipeline)!;
    assert.equal(folder, join(pipeline, 'depth_model'));
    openDepthModel(folder).network.dispose();
    openPipeline(pipeline).dispose();
    return readFileSync(join(folder, 'model.safetensors'));
  };
  before(() => setThreads(1));

  test('puts the depth model into the pipeline', async () => {
    const { pipeline } = await train(recipe({ steps: 1 }, parts), { run, workers: 1 });
    const own = readFileSync(join(run, 'depth_model/model.safetensors'));
    assert.ok(opens(pipeline!).equals(own));
  });

  test('which one that is fine-tuned from it keeps', async () => {
    const base = join(run, 'pipeline');
    const { transformer, data } = parts;
    const { width, height, numFrames, tokensPerBatch, tasks } = transformer;
    const plan = { width, height, numFrames, tokensPerBatch, tasks, steps: 1 };
    const fine = { name: 'fine', dtype: 'float32' as const, base, data, validationSamples: 0 };
    const more = { run: join(root, 'fine'), workers: 1 };
    const { pipeline } = await train({ ...fine, transformer: plan }, more);
    assert.ok(opens(pipeline!).equals(opens(base)));
  });

  test('or a finished one, which is not trained', async () => {
    const from = join(run, 'depth_model');
    const given = recipe({}, { ...parts, name: 'given', depthModel: { from } });
    const { pipeline } = await train(given, { run: join(root, 'given'), workers: 1 });
    opens(pipeline!);
    assert.ok(linesOf(join(root, 'given')).every(({ part }) => `${part}` !== 'depthModel'));
  });
});

describe('recipes', () => {
  const problems = (given: object) => {
    try {
      checkRecipe(given, 'recipe');
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  test('name what is wrong with a depth model', () => {
    assert.match(problems({ name: 'none' }), /transformer: is missing; .*\(depthModel\)/);
    assert.match(
      problems(recipe({ patchSize: 5, numHeads: 3, width: 48 })),
      /depthModel\.width: must be a multiple of patchSize \(5\), got 48\n.*\n.*depthModel\.numHeads: must divide hiddenSize \(16\), got 3/,
    );
    assert.match(
      problems(recipe({ from: 'models' })),
      /depthModel\.from: has no effect without a transformer/,
    );
    assert.match(problems(recipe({ depth: 3 })), /depthModel\.depth: unknown key/);
  });
});
