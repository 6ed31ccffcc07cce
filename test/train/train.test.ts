import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, mock, test } from 'node:test';
import sharp from 'sharp';
import { RandomStream } from '../../src/data/random.js';
import type { Frames } from '../../src/media/index.js';
import { readSettings } from '../../src/pipeline/folder.js';
import { setThreads } from '../../src/tensor/index.js';
import {
  type Dataset,
  type RecipeInput,
  type TrainEvent,
  type TrainOutcome,
  train,
} from '../../src/train/index.js';
import { positive } from './own-task.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from './tiny-parts.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-train-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Takes a few seconds. */
const recipe: RecipeInput = {
  name: 'tiny',
  dtype: 'float32',
  data: [{ miniworld: { clips: 4, images: 4 } }],
  validationSamples: 2,
  autoencoder: {
    steps: 2,
    ...TINY_AUTOENCODER,
    batches: [{ numFrames: 5, batchSize: 1 }],
  },
  textEncoder: TINY_TEXT_ENCODER,
  transformer: {
    ...TINY_TRANSFORMER,
    tokensPerBatch: 8,
    logEverySteps: 1,
    tasks: { t2i: 1, positive: 3 },
    imageShare: [0.3, 0.3],
    steps: 4,
  },
};
const own = { tasks: [positive], workers: 1 };

const weightsOf = (run: string) =>
  readFileSync(join(run, 'pipeline/transformer/diffusion_pytorch_model.safetensors'));

describe('train', () => {
  const folder = join(root, 'whole');
  const events: TrainEvent[] = [];
  let outcome: TrainOutcome;
  const written: string[] = [];
  before(async () => {
    setThreads(1); // sums in one order
    const listeners = process.listenerCount('exit');
    const write = mock.method(process.stderr, 'write', (text: string) => {
      written.push(text);
      return true;
    });
    const training = train(recipe, { ...own, run: folder });
    for await (const event of training) events.push(event);
    outcome = await training;
    write.mock.restore();
    assert.equal(process.listenerCount('exit'), listeners);
  });

  const ofType = <T extends TrainEvent['type']>(type: T) =>
    events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);

  test('comes to a pipeline that knows which tasks it was trained on', () => {
    const pipeline = join(folder, 'pipeline');
    assert.deepEqual(outcome, { finished: true, run: folder, pipeline });
    assert.deepEqual(readSettings(pipeline).tasks, ['t2i', 'positive']);
  });

  test('says as events what is in metrics.jsonl, and writes nothing to the terminal', () => {
    const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const metrics = ofType('metrics');
    assert.deepEqual(
      metrics.map(({ part, step, time, figures }) => ({ part, step, time, ...figures })),
      lines.map((line) => JSON.parse(line)),
    );
    const steps = metrics.filter(({ figures }) => figures.learningRate !== undefined);
    assert.equal(steps.filter(({ part }) => part === 'transformer').length, 4);
    assert.ok(metrics.some(({ figures }) => figures['loss/positive']! > 0));
    assert.deepEqual(written, []);
  });

  test('says where it stands, and what it has written', () => {
    const { state, part, step } = ofType('status').at(-1)!;
    assert.deepEqual([state, part, step], ['finished', 'transformer', 4]);
    const checkpoints = ofType('checkpoint').filter((one) => one.part === 'transformer');
    assert.deepEqual([...new Set(checkpoints.map((one) => one.step))], [0, 4]);
    assert.equal(checkpoints.at(-1)!.folder, join(folder, 'checkpoints', 'transformer-00000004'));
    for (const { path } of ofType('sample')) assert.ok(existsSync(path), path);
    assert.ok(ofType('sample').some(({ path }) => path.endsWith('-positive.png')));
    const phases = ofType('phase').map(({ label }) => label);
    for (const label of ['autoencoder', 'encoding latents', 'transformer']) {
      assert.ok(phases.includes(label), String(phases));
    }
    assert.equal(ofType('phaseEnd').length, phases.length);
    const { done, total } = ofType('progress')
      .filter(({ label }) => label === 'transformer')
      .at(-1)!;
    assert.deepEqual([done, total], [4, 4]);
    for (const label of ['validating', 'making sample sheets']) {
      const amid = ofType('phase').filter((one) => one.label === label);
      assert.ok(amid.length > 0 && amid.every(({ within }) => within !== null), label);
      assert.ok(ofType('status').some(({ doing }) => doing === label));
    }
    assert.equal(ofType('status').at(-1)!.doing, undefined);
  });

  test('comes to the same, bit for bit, where threads load the task from its file', async () => {
    const run = join(root, 'file');
    const tasks = new URL('./own-task.ts', import.meta.url);
    const { finished } = await train(recipe, { run, tasks, workers: 1 });
    assert.ok(finished);
    assert.ok(weightsOf(run).equals(weightsOf(folder)));
  });

  test('stops where the loop is left or the signal aborts, and goes on as if it had not', async () => {
    const run = join(root, 'stopped');
    const training = train(recipe, { ...own, run });
    for await (const event of training) {
      if (event.type === 'metrics' && event.part === 'transformer' && event.step === 1) break;
    }
    assert.deepEqual(await training, { finished: false, run, pipeline: null });
    assert.ok(!existsSync(join(run, 'pipeline')));

    const controller = new AbortController();
    const said: string[] = [];
    const again = await train(
      { ...recipe, validationSamples: 2 },
      {
        ...own,
        run,
        resume: true,
        signal: controller.signal,
        onEvent(event) {
          if (event.type === 'note') said.push(event.text);
          if (event.type === 'metrics' && event.step === 3) controller.abort();
        },
      },
    );
    assert.equal(again.finished, false);
    assert.deepEqual(said, []);
    const last = await train(recipe, { ...own, run, resume: true });
    assert.equal(last.finished, true);
    assert.ok(weightsOf(run).equals(weightsOf(folder)));
  });

  test('a failure is thrown by the loop, and to who awaits it', async () => {
    const failing = () => train({ ...recipe, name: 'no/name' }, own);
    const expected = { name: 'InputError', message: /^recipe: 1 problem\n {2}name: / };
    await assert.rejects(Promise.resolve(failing()), expected);
    await assert.rejects(async () => {
      for await (const _ of failing()) assert.fail('nothing happens');
    }, expected);
    await assert.rejects(Promise.resolve(train(recipe)), {
      message: /transformer\.tasks\.positive: unknown task; there are t2i, /,
    });
    await assert.rejects(Promise.resolve(train((() => {}) as never)), {
      message: /^recipe: must be a file, or an object of plain values/,
    });
    await assert.rejects(Promise.resolve(train(recipe, { ...own, run: folder })), {
      message: /holds a run already/,
    });
  });
});

describe('train on a data set of its own', () => {
  const root = mkdtempSync(join(tmpdir(), 'mfm-own-data-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  const onPictures: RecipeInput = {
    ...recipe,
    validationSamples: 0,
    autoencoder: { ...recipe.autoencoder, batches: [{ numFrames: 1, batchSize: 2 }] },
    transformer: { ...recipe.transformer, tasks: { t2i: 1, ioutp: 1 }, imageShare: [1, 1] },
  };
  const named: RecipeInput = { ...onPictures, data: [{ dataset: 'mine' }] };
  /** Pictures of noise, each larger than what is trained, and of another shape. */
  const pictures: Frames[] = [0, 1, 2, 3].map((seed) => {
    const random = new RandomStream(seed, 'picture');
    const data = Uint8Array.from({ length: 40 * 24 * 3 }, () => Math.floor(256 * random.next()));
    return { width: 40, height: 24, numFrames: 1, data };
  });
  const caption = (index: number) => `picture number ${index}`;
  const mine: Dataset = {
    length: pictures.length,
    at: async (index) => ({ clip: pictures[index]!, caption: caption(index) }),
  };

  test('comes to the same, bit for bit, as on files of the same pictures', async () => {
    const folder = join(root, 'pictures');
    mkdirSync(folder);
    for (const [i, { width, height, data }] of pictures.entries()) {
      const raw = { width, height, channels: 3 as const };
      await sharp(data, { raw })
        .png()
        .toFile(join(folder, `${i}.png`));
      writeFileSync(join(folder, `${i}.txt`), caption(i));
    }
    const files = join(root, 'files');
    const ofFiles = { ...onPictures, data: [{ manifest: folder }] };
    assert.ok((await train(ofFiles, { run: files, workers: 1 })).finished);

    const run = join(root, 'own');
    const datasets = { mine };
    const first = train(named, { run, datasets, workers: 1 });
    for await (const event of first) {
      if (event.type === 'metrics' && event.part === 'transformer' && event.step === 2) break;
    }
    assert.equal((await first).finished, false);
    assert.ok((await train(named, { run, datasets, workers: 1, resume: true })).finished);
    assert.ok(weightsOf(run).equals(weightsOf(files)), 'stopped, resumed and of its own');
  });

  test('says which data sets are missing, wrong, or not named', async () => {
    const run = join(root, 'none');
    const rejected = (given: RecipeInput, datasets: Record<string, unknown>, message: RegExp) =>
      assert.rejects(
        Promise.resolve(train(given, { run, datasets: datasets as Record<string, Dataset> })),
        { name: 'InputError', message },
      );
    await rejected(named, {}, /^dataset "mine": is not given; a program passes it as train\(/);
    await rejected(named, { mine: [] }, /^datasets\.mine: must have a length of 1 or more and /);
    await rejected(
      onPictures,
      { mine },
      /^datasets\.mine: the recipe does not name it; add \{ dataset: "mine" \} to its data$/,
    );
    assert.ok(!existsSync(run));
  });
});
