import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DataStore } from '../../../src/data/store.js';
import { InputError } from '../../../src/errors.js';
import { fromRoot } from '../../../src/files/package-root.js';
import type { Frames } from '../../../src/media/index.js';
import { shortcomings } from '../../../src/tasks/index.js';
import { fromArray } from '../../../src/tensor/index.js';
import {
  encodeAhead,
  type FeedOptions,
  type FeedPosition,
  type LatentEncoder,
  type MakerOptions,
  type OpenedSources,
  openFeed,
  openFrameFeed,
  openSources,
  SampleMaker,
  type StepBatch,
  stageTallies,
  validationBatches,
} from '../../../src/train/feed/index.js';
import { factsAt } from '../../../src/train/feed/sources.js';
import { Recipe, type Source, type Stage } from '../../../src/train/recipe/config.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';
import { ffmpeg, noFfmpeg } from '../../media/helpers.js';

const examples = fromRoot('examples/media/');
const folder = mkdtempSync(join(tmpdir(), 'mfm-feed-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

/** Latents that tell the frames: the means of each token's red. */
function meansEncoder(hash = 'means'): LatentEncoder & { calls: number } {
  const encode = ({ width, height, numFrames, data }: Frames) => {
    encoder.calls++;
    const [f, h, w] = [(numFrames - 1) / 4 + 1, height / 8, width / 8];
    const values = new Uint16Array(f * h * w);
    for (let i = 0; i < values.length; i++) values[i] = data[(i * 97 * 3) % data.length]!;
    return fromArray(values, [1, 1, f, h, w], 'bfloat16');
  };
  const encoder = { hash, encode, calls: 0 };
  return encoder;
}

const MINIWORLD: Source = {
  miniworld: { clips: 12, images: 20, maxObjects: 2, plainShare: 0.5 },
  weight: 1,
};

function stageOf(data: Source[], changes: Partial<Stage> = {}): Stage {
  const recipe = Recipe.parse({ name: 'test', data, transformer: { steps: 10 } });
  const own = { width: 32, height: 32, numFrames: 17, tokensPerBatch: 60, imageShare: [0.5, 0.5] };
  return { ...stagesOf(recipe)[0]!, ...(own as Partial<Stage>), ...changes };
}

const summaryOf = ({ kind, target, count, position, samples }: StepBatch) => ({
  kind,
  target,
  count,
  position,
  samples: samples.map(({ task, latents, given, picture: _, ...rest }) => ({
    ...rest,
    task: task.id,
    given,
    latents: [latents.shape, [...latents.toFloat32Array()]],
  })),
});

/** What `count` batches of a feed come to. */
async function taken(options: FeedOptions, count: number) {
  const feed = await openFeed(options);
  try {
    const batches: ReturnType<typeof summaryOf>[] = [];
    while (batches.length < count) batches.push(summaryOf(await feed.next()));
    return batches;
  } finally {
    await feed.close();
  }
}

/** Threads are shared, stores are not. */
const makers = new Map<DataStore | null, SampleMaker>();
function makerOf(
  store: DataStore | null,
  workers = 1,
  onSkip?: MakerOptions['onSkip'],
): SampleMaker {
  const known = makers.get(store) ?? new SampleMaker({ store, workers, onSkip });
  makers.set(store, known);
  return known;
}
after(() => Promise.all([...makers.values()].map((maker) => maker.close())));

describe('a feed of MiniWorld', () => {
  const stage = stageOf([MINIWORLD]);
  let opened: OpenedSources;
  const optionsOf = (changes: Partial<FeedOptions> = {}): FeedOptions => ({
    stage,
    sources: opened.sources,
    seed: 3,
    encoder: meansEncoder(),
    maker: makerOf(null),
    doneAt: () => 0.5,
    ...changes,
  });

  before(async () => {
    opened = await openSources([MINIWORLD], { validationSamples: 2 });
  });

  test('gives the same batches again, from any position, with and without what is kept', async () => {
    const store = DataStore.open(at('store'));
    const maker = makerOf(store, 2);
    const all = await taken(optionsOf({ maker }), 8);
    assert.deepEqual(new Set(all.map(({ kind }) => kind)), new Set(['image', 'clip']));
    for (const from of [3, 5]) {
      const position = JSON.parse(JSON.stringify(all[from - 1]!.position)) as FeedPosition;
      assert.deepEqual(await taken(optionsOf({ position, maker }), 8 - from), all.slice(from));
    }
    assert.deepEqual(await taken(optionsOf(), 8), all);
    assert.notDeepEqual(await taken(optionsOf({ seed: 4 }), 1), all.slice(0, 1));
  });

  test('is the same in parts of two processes as in one', async () => {
    const whole = await taken(optionsOf(), 4);
    const parts = [0, 1].map((rank) => taken(optionsOf({ world: { rank, size: 2 } }), 4));
    const [first, second] = await Promise.all(parts);
    whole.forEach((batch, i) => {
      const samples = [...first![i]!.samples, ...second![i]!.samples];
      samples.sort((a, b) => a.index - b.index);
      assert.deepEqual({ ...first![i]!, samples }, batch);
    });
  });

  test('encodes each sample once, ahead or when it comes, and anew for another autoencoder', async () => {
    const store = DataStore.open(at('ahead'));
    const maker = makerOf(store);
    const encoder = meansEncoder();
    const report = { start() {}, update() {}, log() {}, end() {} };
    const { signal } = new AbortController();
    const options = { ...optionsOf({ maker, encoder }), stages: [stage], report, signal };
    assert.equal(await encodeAhead({ ...options, sources: [opened.sources] }), true);
    assert.equal(encoder.calls, 12 + 20 + 4);
    await taken(optionsOf({ maker, encoder }), 4);
    assert.equal(encoder.calls, 36);
    const other = meansEncoder('other weights');
    await taken(optionsOf({ maker, encoder: other }), 1);
    assert.ok(other.calls > 0, 'encodes with the new weights');
    await store.flush();
    const again = makerOf(DataStore.open(at('ahead')));
    const sources = [opened.sources];
    assert.equal(await encodeAhead({ ...options, sources, maker: again }), true);
    assert.equal(encoder.calls, 36);
  });

  test('stops encoding at a signal, and goes on from there', async () => {
    const maker = makerOf(DataStore.open(at('stopped')));
    const encoder = meansEncoder();
    const controller = new AbortController();
    const report = {
      start() {},
      log() {},
      end() {},
      update: (done: number) => done === 5 && controller.abort(),
    };
    const options = { ...optionsOf({ maker, encoder }), stages: [stage], report };
    const sources = [opened.sources];
    assert.equal(await encodeAhead({ ...options, sources, signal: controller.signal }), false);
    const { signal } = new AbortController();
    assert.equal(await encodeAhead({ ...options, sources, signal }), true);
    assert.equal(encoder.calls, 36);
  });

  test('measures on held-out samples, for every task the same ones each time', async () => {
    const batches: ReturnType<typeof summaryOf>[][] = [[], []];
    const options = { ...optionsOf(), samples: 2 };
    for (const round of batches) {
      for await (const batch of validationBatches(options)) round.push(summaryOf(batch));
    }
    assert.deepEqual(batches[1], batches[0]);
    const samples = batches[0]!.flatMap((batch) => batch.samples);
    assert.equal(new Set(samples.map(({ task }) => task)).size, 19);
    assert.equal(samples.length, 38);
    for (const { where, prompt } of samples) {
      assert.match(where, /^miniworld held-out /);
      assert.match(prompt, /#task: /);
    }
  });

  test('uses a source for its own tasks alone', async () => {
    const all = stageOf([MINIWORLD], { tasks: { t2i: 1, isr: 1, iinp: 1 }, imageShare: [1, 1] });
    const idsOf = async (tasks: Source['tasks']) => {
      const sources = (await openSources([{ ...MINIWORLD, tasks }], { validationSamples: 2 }))
        .sources;
      const batches = await taken(optionsOf({ stage: all, sources }), 6);
      const held: string[] = [];
      for await (const batch of validationBatches({
        ...optionsOf({ stage: all, sources }),
        samples: 1,
      })) {
        held.push(...batch.samples.map(({ task }) => task.id));
      }
      const ids = batches.flatMap(({ samples }) => samples.map(({ task }) => task));
      const tallies = stageTallies(sources, all).map(({ task, samples }) => [task.id, samples]);
      return { ids: [...new Set(ids)].sort(), held, tallies };
    };
    const without = { ids: ['iinp', 'isr'], held: ['isr', 'iinp'] };
    const tallies = [
      ['t2i', 0],
      ['isr', 20],
      ['iinp', 20],
    ];
    assert.deepEqual(await idsOf({ not: ['t2i'] }), { ...without, tallies });
    assert.deepEqual(await idsOf(['isr', 'iinp']), { ...without, tallies });
    assert.deepEqual((await idsOf(undefined)).ids, ['iinp', 'isr', 't2i']);
  });

  test('gives pixels alone, as the number of the batch says', async () => {
    const batches = [
      { numFrames: 1, batchSize: 3, weight: 1 },
      { numFrames: 5, batchSize: 2, weight: 1 },
    ];
    const options = { ...optionsOf(), width: 32, height: 16, batches };
    const all = openFrameFeed(options);
    const seen = [];
    for (let i = 0; i < 5; i++) seen.push(await all.next());
    await all.close();
    const rest = openFrameFeed({ ...options, step: 3 });
    assert.deepEqual([await rest.next(), await rest.next()], seen.slice(3));
    await rest.close();
    for (const { numFrames, batchSize, frames } of seen) {
      assert.equal(frames.length, batchSize * numFrames * 32 * 16 * 3);
    }
  });

  test('gives pixels of the size of each kind of batches', async () => {
    const batches = [
      { numFrames: 1, batchSize: 1, weight: 1 },
      { numFrames: 1, batchSize: 2, weight: 1, width: 64, height: 48 },
      { numFrames: 5, batchSize: 1, weight: 1, height: 32 },
    ];
    const feed = openFrameFeed({ ...optionsOf(), width: 32, height: 16, batches });
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { numFrames, batchSize, width, height, frames } = await feed.next();
      assert.equal(frames.length, batchSize * numFrames * width * height * 3);
      seen.add(`${numFrames}x${width}x${height}: ${batchSize}`);
    }
    await feed.close();
    assert.deepEqual([...seen].sort(), ['1x32x16: 1', '1x64x48: 2', '5x32x32: 1']);
  });
});

describe('a feed of scenes that pass', () => {
  const reuse = 3;
  const source: Source = { ...MINIWORLD, miniworld: { ...MINIWORLD.miniworld!, reuse } };
  const stage = stageOf([source], { imageShare: [1, 1], tokensPerBatch: 28 });
  const batches = 20;
  const optionsOf = async (changes: Partial<FeedOptions> = {}): Promise<FeedOptions> => ({
    stage,
    sources: (await openSources([source])).sources,
    seed: 3,
    encoder: meansEncoder(),
    maker: makerOf(null),
    doneAt: () => 0.5,
    ...changes,
  });

  test('uses each scene as often as asked, then another one', async () => {
    const uses = new Map<string, number>();
    for (const { samples } of await taken(await optionsOf(), batches)) {
      for (const { where } of samples) uses.set(where, (uses.get(where) ?? 0) + 1);
    }
    const counts = [...uses.values()];
    assert.ok(Math.max(...counts) <= reuse, counts.join());
    // all of 20 in each round, of which 7 are new in the next one; 7 samples a batch make 7 rounds
    assert.equal(uses.size, 20 + 6 * 7);
    assert.ok(counts.filter((count) => count === reuse).length > 20, counts.join());
  });

  test('has scenes of two sizes, of which both serve super-resolution', async () => {
    const of = (weight: number, scale?: number): Source => ({
      miniworld: { ...MINIWORLD.miniworld!, reuse, scale },
      weight,
    });
    const { sources } = await openSources([of(1), of(1, 0.5)], { validationSamples: 2 });
    const both = stageOf([of(1), of(1, 0.5)], {
      imageShare: [0.5, 0.5],
      tasks: { isr: 1, vsr: 1 },
      aspect: 'fixed',
    });
    const options = await optionsOf({ stage: both, sources });
    const sizes = new Map<string, number>();
    for (const { target, count } of await taken(options, 24)) {
      const { width, height, numFrames } = target;
      sizes.set(`${width}x${height}x${numFrames}`, count);
    }
    // 60 tokens a batch
    const expected = { '16x16x1': 60, '16x16x17': 12, '32x32x1': 15, '32x32x17': 3 };
    assert.deepEqual(Object.fromEntries([...sizes].sort()), expected);
    assert.deepEqual(
      stageTallies(sources, both).map(({ samples, of }) => [samples, of]),
      [
        [40, 40],
        [24, 24],
      ],
    );
  });

  test('encodes each of them once, and stores none of them', async () => {
    const store = DataStore.open(at('passing'));
    const maker = makerOf(store);
    const encoder = meansEncoder();
    await taken(await optionsOf({ maker, encoder }), batches);
    assert.equal(encoder.calls, 20 + 6 * 7);
    await store.flush();
    assert.equal(store.figures.entries, 20);
  });

  test('is the same from any position, and in parts of several processes', async () => {
    const all = await taken(await optionsOf(), batches);
    const maker = new SampleMaker({ store: null, workers: 1 });
    after(() => maker.close());
    const position = JSON.parse(JSON.stringify(all[11]!.position)) as FeedPosition;
    assert.deepEqual(await taken(await optionsOf({ position, maker }), 4), all.slice(12, 16));
    const parts = await Promise.all(
      [0, 1].map(async (rank) => taken(await optionsOf({ world: { rank, size: 2 } }), 14)),
    );
    const samples = parts.flatMap((part) => part[13]!.samples);
    samples.sort((a, b) => a.index - b.index);
    assert.deepEqual(samples, all[13]!.samples);
  });

  test('shows each stage scenes of its own', async () => {
    const seen = async (name: string) => {
      const all = await taken(await optionsOf({ stage: { ...stage, name } }), batches);
      return new Set(all.flatMap(({ samples }) => samples.map(({ where }) => where)));
    };
    const [one, other] = [await seen('one'), await seen('other')];
    assert.equal([...one].filter((where) => other.has(where)).length, 20);
  });
});

describe('a feed of files', { skip: noFfmpeg }, () => {
  const told: string[] = [];
  const onSkip = (where: string, reason: string) => told.push(`${where} ${reason}`);
  let opened: OpenedSources;
  let stage: Stage;
  const store = DataStore.open(at('files-store'));

  before(async () => {
    mkdirSync(at('set'));
    for (const name of ['rabbit.mp4', 'flower-small.mp4', 'gecko.jpg', 'elephant.jpg']) {
      copyFileSync(join(examples, name), at(`set/${name}`));
    }
    for (const [i, hue] of [30, 90, 150].entries()) {
      const filter = `scale=96:64,fps=8,hue=h=${hue}`;
      const input = join(examples, 'flower.mp4');
      ffmpeg('-i', input, '-vf', filter, '-frames:v', '21', '-c:v', 'mpeg4', at(`set/${i}.mp4`));
    }
    ffmpeg('-i', at('set/gecko.jpg'), '-vf', 'scale=100:80', at('set/before.png'));
    ffmpeg('-i', at('set/elephant.jpg'), '-vf', 'scale=100:80', at('set/after.png'));
    ffmpeg('-i', at('set/0.mp4'), '-frames:v', '3', '-c:v', 'mpeg4', at('set/short.mp4'));
    writeFileSync(at('set/broken.mp4'), 'no video');
    const rows = [
      { video: '0.mp4', prompt: 'a flower opens slowly', motionScore: 2, sharpness: 100 },
      { video: '1.mp4', motionScore: 2, watermark: true },
      { video: '2.mp4', prompt: 'a blue flower', motionScore: 2, sharpness: 100 },
      { video: 'rabbit.mp4', start: 0.5, frames: 9, motionScore: 2, sharpness: 1 },
      { video: 'short.mp4', motionScore: 2 },
      { video: 'broken.mp4' },
      { video: 'gone.mp4' },
      { image: 'before.png', target: 'after.png', prompt: 'make it an elephant' },
      { image: 'gecko.jpg', target: 'after.png', prompt: 'make it an elephant' },
    ];
    const lines = rows.map((row) => JSON.stringify(row)).join('\n');
    writeFileSync(at('set/manifest.jsonl'), `${lines}\n{"video": 3}\n`);
    const data: Source[] = [{ manifest: at('set'), weight: 1 }];
    stage = stageOf(data, { conditionDropout: 0, textDropout: { image: 0, video: 0 } });
    opened = await openSources(data, { store, workers: 2 });
  });

  const optionsOf = (changes: Partial<FeedOptions> = {}): FeedOptions => ({
    stage,
    sources: opened.sources,
    seed: 1,
    encoder: meansEncoder(),
    maker: makerOf(store, 2, onSkip),
    doneAt: () => 1,
    ...changes,
  });

  test('names what cannot be read, and goes on without it', () => {
    const reasons = opened.skipped.map(
      ({ where, reason }) => `${where.split('/').at(-1)} ${reason}`,
    );
    assert.equal(reasons.length, 4, reasons.join('\n'));
    assert.match(reasons[0]!, /jsonl:6 .*broken\.mp4: holds text/);
    assert.match(reasons[1]!, /jsonl:7 .*gone\.mp4: no such file/);
    assert.match(reasons[2]!, /jsonl:9 gecko\.jpg: the source of the edit must have the sample's/);
    assert.match(reasons[3]!, /jsonl:10 .*"video" must be text/);
    assert.equal(opened.sources[0]!.items.length, 7);
  });

  test('does not measure again what it knows, wherever it lies, but what has changed', async () => {
    const open = async (path: string) => {
      const [source] = (await openSources([{ manifest: path, weight: 1 }], { store })).sources;
      return source!.items.map(({ content }) => content);
    };
    mkdirSync(at('moved'));
    copyFileSync(at('set/0.mp4'), at('moved/a.mp4'));
    const [first] = await open(at('moved'));
    const entries = store.figures.entries;
    copyFileSync(at('set/0.mp4'), at('moved/b.mp4'));
    utimesSync(at('moved/a.mp4'), 1, 1);
    assert.deepEqual(await open(at('moved')), [first, first]);
    // the hashes of two files; no facts
    assert.equal(store.figures.entries, entries + 2);
    copyFileSync(at('set/1.mp4'), at('moved/a.mp4'));
    assert.notEqual((await open(at('moved')))[0], first);
  });

  test('draws only tasks that a sample is good enough for, at its own shape', async () => {
    const feed = await openFeed(optionsOf());
    let filled = 0;
    const items = new Map(opened.sources[0]!.items.map((item) => [item.where, item]));
    for (let i = 0; i < 12; i++) {
      const { samples, target, count, tokens } = await feed.next();
      assert.equal(count, Math.max(1, Math.floor(60 / tokens)));
      filled += Math.min(1, (count * tokens) / 60) / 12;
      for (const { where, task, given, prompt } of samples) {
        const facts = { ...factsAt(items.get(where)!, stage) };
        if (task.result === 'video') facts.numFrames = target.numFrames;
        assert.deepEqual(shortcomings(task, facts, { minSide: 32 }), [], `${where} ${task.id}`);
        for (const { frames } of given?.known ?? []) {
          assert.deepEqual([frames.width, frames.height], [target.width, target.height]);
        }
        if (task.id === 'iedit') assert.match(prompt, /^make it an elephant #task/);
        assert.equal(given === null, task.inputs.length === 0);
      }
    }
    assert.ok(filled > 0.8, `${filled}`);
    assert.deepEqual(told, [], 'none is replaced');
    await feed.close();
  });

  test('gives the same from kept frames as from the files', async () => {
    const plain = await taken(optionsOf({ maker: makerOf(null) }), 3);
    assert.deepEqual(await taken(optionsOf(), 3), plain);
    const { entries } = store.figures;
    assert.deepEqual(await taken(optionsOf(), 3), plain);
    assert.equal(store.figures.entries, entries);
    assert.deepEqual(await taken(optionsOf({ encoder: meansEncoder('fresh') }), 3), plain);
  });

  test('replaces what cannot be read any more by the same for all, and says so once', async () => {
    rmSync(at('set/0.mp4'));
    truncateSync(at('set/1.mp4'), 2000);
    const maker = new SampleMaker({ store: null, workers: 1, onSkip });
    after(() => maker.close());
    const options = optionsOf({ maker });
    const batches = await taken(options, 6);
    assert.ok(
      batches.every(({ samples, count }) => samples.length === count),
      'batches are full',
    );
    const names = new Set(batches.flatMap(({ samples }) => samples.map(({ where }) => where)));
    assert.ok(
      [...names].every((name) => !/jsonl:[12]$/.test(name)),
      [...names].join(' '),
    );
    assert.deepEqual(await taken(options, 6), batches);
    assert.equal(told.length, 2, told.join('\n'));
    for (const sentence of told) assert.match(sentence, /jsonl:[12] /);
  });

  test('refuses a set in which nothing is left, and one without a use', async () => {
    writeFileSync(at('set/none.jsonl'), '{"video": "broken.mp4"}\n');
    await assert.rejects(openSources([{ manifest: at('set/none.jsonl'), weight: 1 }]), {
      name: InputError.name,
      message: /none of its 1 items can be used \(first: .*holds text/,
    });
    // more than a call may have arguments
    const wrong = '{"video": 3}\n'.repeat(150_000);
    writeFileSync(at('set/many.jsonl'), `{"video": "broken.mp4"}\n${wrong}`);
    await assert.rejects(openSources([{ manifest: at('set/many.jsonl'), weight: 1 }]), {
      name: InputError.name,
      message: /none of its 150001 items can be used/,
    });
    await assert.rejects(openFeed(optionsOf({ stage: { ...stage, tasks: { d2v: 1 } } })), {
      name: InputError.name,
      message: /has no sample for the tasks of stage "all" at 32x32/,
    });
  });
});
