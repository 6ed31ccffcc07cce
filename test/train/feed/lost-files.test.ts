import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SampleFacts } from '../../../src/data/sources/facts.js';
import { InputError } from '../../../src/errors.js';
import { fromArray } from '../../../src/tensor/index.js';
import { PassingLatents } from '../../../src/train/feed/encode/passing-latents.js';
import {
  type FrameFeedOptions,
  firstFrameBatch,
  type OpenedSource,
  openFeed,
  openFrameFeed,
  type SampleMaker,
  type SourceItem,
  validationBatches,
  withoutHeldOut,
} from '../../../src/train/feed/index.js';
import type { Wanted } from '../../../src/train/feed/maker.js';
import { type BatchKind, Recipe, type Stage } from '../../../src/train/recipe/config.js';
import { stagesOf } from '../../../src/train/recipe/stages.js';

const STAGE = stageOf({ tasks: { t2i: 1, t2v: 1 } });

function stageOf(changes: object): Stage {
  const size = { width: 64, height: 64, numFrames: 17, tokensPerBatch: 80, imageShare: [1, 1] };
  const transformer = { steps: 40, ...size, ...changes };
  return stagesOf(Recipe.parse({ name: 'test', transformer }))[0]!;
}

/** `count` files of one size and length; `name 0`, `name 1` and so on. */
function files(name: string, count: number, width: number, height: number, numFrames = 1) {
  const kind = numFrames === 1 ? 'image' : 'clip';
  const facts: SampleFacts = {
    kind,
    width,
    height,
    numFrames,
    captionWords: 5,
    sharpness: 1000,
    motionScore: 5,
    colourful: true,
    watermark: false,
    text: false,
    hasMask: false,
    hasDepth: false,
    hasEditSource: false,
  };
  return Array.from({ length: count }, (_, i): SourceItem => {
    const where = `${name} ${i}`;
    const item = { where, prompt: 'a prompt', target: null, depth: null };
    const origin = { kind: 'file', item, width, height, motionScore: 5 };
    return { where, kind, content: where, origin: origin as never, facts };
  });
}

const sourceOf = (...items: SourceItem[][]): OpenedSource[] => [
  { name: 'files', weight: 1, miniworld: null, items: items.flat(), heldOut: [] },
];

type Gone = (where: string, task: string | null) => boolean;

/** Makes what is not gone, of nothing; `later` milliseconds pass before what is given is there. */
function makerWithout(gone: Gone, later = 0): SampleMaker {
  const result = async ({ item, task, target }: Wanted) => {
    if (task !== null && later > 0) await new Promise((resolve) => setTimeout(resolve, later));
    if (gone(item.where, task)) return { problem: `${item.where}: no such file` };
    const { width, height, numFrames } = target;
    const clip = { data: new Uint8Array(width * height * numFrames * 3).fill(item.where.length) };
    return { given: null, stored: null, made: null, clip };
  };
  const finish = (all: unknown[]) =>
    all.map(() => ({ latents: fromArray(new Uint16Array(1), [1, 1, 1, 1, 1], 'bfloat16') }));
  const passing = new PassingLatents();
  return { prepare: result, make: result, finish, passing } as unknown as SampleMaker;
}

/** Places, files and tasks of `count` batches, and the positions after them. */
async function taken(
  sources: readonly OpenedSource[],
  maker: SampleMaker,
  {
    stage = STAGE,
    count = 40,
    ...more
  }: Partial<Parameters<typeof openFeed>[0]> & {
    count?: number;
  } = {},
) {
  const encoder = { hash: 'none', encode: () => assert.fail('nothing is encoded') };
  const feed = await openFeed({
    maker,
    stage,
    sources,
    seed: 1,
    doneAt: () => 1,
    encoder,
    ...more,
  });
  try {
    const batches = [];
    for (let i = 0; i < count; i++) {
      const { samples, count: whole, target, position } = await feed.next();
      const names = samples.map(({ index, where, task }) => `${index} ${where} ${task.id}`);
      batches.push({ names, whole, target, position });
    }
    return batches;
  } finally {
    await feed.close();
  }
}

const summary = ({ names, whole, target }: Awaited<ReturnType<typeof taken>>[number]) => ({
  names,
  whole,
  target,
});

describe('a feed whose files are gone', () => {
  test('fills the place of a file that had a bucket to itself from another bucket', async () => {
    const sources = sourceOf(files('square', 40, 64, 64), files('wide', 1, 256, 64));
    const gone: Gone = (where) => where.startsWith('wide');
    const whole = await taken(
      sources,
      makerWithout(() => false),
    );
    assert.ok(
      whole.some(({ names }) => names[0]!.includes('wide')),
      'the wide picture has its turn',
    );
    const batches = await taken(sources, makerWithout(gone));
    for (const { names, whole: size, target } of batches) {
      assert.deepEqual([names.length, size, target.width], [5, 5, 64]);
      assert.ok(!names.join().includes('wide'), names.join());
    }
    // what comes in its place moves nothing else
    batches.forEach(({ names, position }, i) => {
      assert.deepEqual(position, whole[i]!.position);
      if (!whole[i]!.names.join().includes('wide')) assert.deepEqual(names, whole[i]!.names);
    });
    const halves = [0, 1].map((rank) =>
      taken(sources, makerWithout(gone), { world: { rank, size: 2 } }),
    );
    const [first, second] = await Promise.all(halves);
    batches.forEach((batch, i) => {
      const names = [...first![i]!.names, ...second![i]!.names].sort();
      assert.deepEqual({ ...summary(first![i]!), names }, summary(batch));
    });
  });

  test('finds the one file of a bucket that is left', async () => {
    const sources = sourceOf(files('square', 400, 64, 64));
    const batches = await taken(
      sources,
      makerWithout((where) => where !== 'square 123'),
      {
        count: 4,
      },
    );
    for (const { names } of batches) {
      assert.ok(
        names.every((name) => name.includes('square 123')),
        names.join(),
      );
    }
  });

  test('gives images where no clip is left', async () => {
    const sources = sourceOf(files('square', 30, 64, 64), files('clip', 3, 64, 64, 17));
    const stage = stageOf({ tasks: { t2i: 1, t2v: 1 }, imageShare: [0, 0] });
    const [planned] = await taken(
      sources,
      makerWithout(() => false),
      { stage, count: 1 },
    );
    assert.deepEqual(planned!.target, { width: 64, height: 64, numFrames: 17 });
    const maker = makerWithout((where) => where.startsWith('clip'));
    for (const { names, whole, target } of await taken(sources, maker, { stage, count: 8 })) {
      assert.deepEqual([names.length, whole, target.numFrames], [5, 5, 1]);
    }
  });

  test('replaces the same after a resume, with another number of processes, and on a slower disk', async () => {
    const sources = sourceOf(files('clip', 12, 64, 64, 17));
    const tasks = { t2v: 1, i2v: 1 };
    const stage = stageOf({ tasks, imageShare: [0, 0], tokensPerBatch: 240, conditionDropout: 0 });
    // its latents are kept: a prompt alone needs no more
    const gone: Gone = (where, task) => where === 'clip 3' && task !== null;
    const COUNT = 48;
    const options = { stage, count: COUNT };
    const whole = await taken(sources, makerWithout(gone), options);
    // it alone is replaced, and only where it cannot be used
    const healthy = await taken(
      sources,
      makerWithout(() => false),
      options,
    );
    const [places, planned] = [whole, healthy].map((all) => all.flatMap(({ names }) => names));
    const replaced = planned!.filter((name, i) => name !== places![i]);
    assert.ok(replaced.length > 0, 'some are replaced');
    for (const name of replaced) assert.match(name, /clip 3 i2v$/);
    for (const at of [4, 8, 12, 16, 20]) {
      const { position } = whole[at - 1]!;
      const rest = await taken(sources, makerWithout(gone), {
        ...options,
        position,
        count: COUNT - at,
      });
      assert.deepEqual(rest, whole.slice(at));
    }
    assert.deepEqual(await taken(sources, makerWithout(gone, 2), options), whole);
    const [first, second] = await Promise.all(
      [0, 1].map((rank) =>
        taken(sources, makerWithout(gone), { ...options, world: { rank, size: 2 } }),
      ),
    );
    whole.forEach(({ names }, i) => {
      assert.deepEqual([...first![i]!.names, ...second![i]!.names].sort(), names);
    });
  });

  test('ends with a sentence where nothing at all is left', async () => {
    const sources = sourceOf(files('square', 20, 64, 64), files('wide', 5, 256, 64));
    await assert.rejects(
      taken(
        sources,
        makerWithout(() => true),
      ),
      {
        name: InputError.name,
        message:
          /^all: none of its data can be read any more \(last: .*no such file\); check that they are/,
      },
    );
  });
});

describe('a feed of frames whose files are gone', () => {
  const optionsOf = (gone: Gone, batches: BatchKind[]): FrameFeedOptions => ({
    maker: makerWithout(gone),
    width: 32,
    height: 32,
    seed: 0,
    batches,
    sources: sourceOf(files('picture', 400, 64, 64), files('clip', 3, 64, 64, 17)),
  });
  const PICTURES = { numFrames: 1, batchSize: 4, weight: 1 };
  const CLIPS = { numFrames: 5, batchSize: 2, weight: 3 };

  test('finds the one that is left, and takes another length where none is', async () => {
    const one = openFrameFeed(optionsOf((where) => where !== 'picture 99', [PICTURES]));
    assert.equal((await one.next()).batchSize, 4);
    await one.close();
    const other = openFrameFeed(optionsOf((where) => where.startsWith('clip'), [PICTURES, CLIPS]));
    for (let i = 0; i < 4; i++) assert.equal((await other.next()).numFrames, 1);
    await other.close();
  });

  test('makes one batch and no more where one is wanted', async () => {
    let made = 0;
    const options = optionsOf(() => ++made < 0, [PICTURES]);
    assert.equal((await firstFrameBatch(options))!.batchSize, 4);
    assert.equal(made, 4);
    const long = [{ ...CLIPS, numFrames: 21 }];
    assert.equal(await firstFrameBatch({ ...options, batches: long }), null);
  });

  test('ends with a sentence where nothing at all is left', async () => {
    const none = openFrameFeed(optionsOf(() => true, [PICTURES, CLIPS]));
    await assert.rejects(none.next(), {
      name: InputError.name,
      message: /^autoencoder: none of its data can be read any more/,
    });
    await none.close();
  });
});

describe('samples to measure on', () => {
  const stage = stageOf({ tasks: { t2i: 1, t2v: 1 }, imageShare: [0.5, 0.5], tokensPerBatch: 800 });
  const encoder = { hash: '', encode: () => assert.fail('nothing to encode') };
  const [images, clips] = [files('image', 9, 64, 64), files('clip', 9, 64, 64, 17)];
  async function measuredOn(heldOut: SourceItem[], samples: number, gone: Gone = () => false) {
    const maker = makerWithout(gone);
    const sources = sourceOf(images.slice(1), clips.slice(1)).map((one) => ({ ...one, heldOut }));
    const seen: [task: string, trainedOn: boolean | undefined, where: string[]][] = [];
    const pictures = [];
    for await (const batch of validationBatches({ maker, stage, sources, samples, encoder })) {
      const [first] = batch.samples;
      seen.push([first!.task.id, first!.trainedOn, batch.samples.map(({ where }) => where)]);
      pictures.push(await first!.picture!());
    }
    return { seen, pictures, without: withoutHeldOut(sources, stage) };
  }

  test('are those that are kept out, with their own pixels', async () => {
    const { seen, pictures, without } = await measuredOn([images[0]!, clips[0]!], 16);
    assert.deepEqual(seen, [
      ['t2i', false, ['image 0', 'clip 0']], // by its first frame
      ['t2v', false, ['clip 0']],
    ]);
    assert.deepEqual(without, []);
    assert.deepEqual(
      pictures.map((picture) => picture!.data.length),
      [64 * 64 * 3, 17 * 64 * 64 * 3],
    );
  });

  test('are a few that are trained on, for tasks that none is kept out for', async () => {
    const { seen, without } = await measuredOn([images[0]!], 16);
    const few = [1, 2, 3, 4].map((i) => `clip ${i}`);
    assert.deepEqual(seen, [
      ['t2i', false, ['image 0']],
      ['t2v', true, few],
    ]);
    assert.deepEqual(without, ['t2v']);
    assert.deepEqual((await measuredOn([images[0]!], 1)).seen[1], ['t2v', true, ['clip 1']]);
  });

  test('are none if none are wanted', async () => {
    assert.deepEqual((await measuredOn([], 0)).seen, []);
  });
});
