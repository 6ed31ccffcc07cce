import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gatherDataset } from '../../../src/data/measure/gather-dataset.js';
import { captionOf, drawScene, renderScene } from '../../../src/data/miniworld/index.js';
import { sceneSample } from '../../../src/data/miniworld/sample.js';
import type { Dataset, DatasetSample } from '../../../src/data/sources/dataset.js';
import { DataStore } from '../../../src/data/store.js';
import { Mixture } from '../../../src/tasks/index.js';
import { sceneAt } from '../../../src/train/feed/items/scenes.js';
import { makeSample, type SampleJob } from '../../../src/train/feed/make-sample.js';
import { openSources } from '../../../src/train/feed/sources.js';
import { temporaryFolder } from '../../temp-folder.js';

const target = { width: 48, height: 32, numFrames: 9 };

/** A scene of MiniWorld as a program gives it. */
function sampleOf(seed: number, { edited = false } = {}): DatasetSample {
  const scene = drawScene(seed, { split: 'train', maxObjects: 2 });
  const rendered = renderScene(scene, target);
  const { width, height, numFrames } = target;
  const clip = { width, height, numFrames, data: rendered.frames };
  const sample = sceneSample(scene, clip, captionOf(scene, numFrames), rendered);
  const { path: _, ...depth } = sample.depth!;
  return edited ? { clip, depth, edit: sample.edit! } : { clip, depth, caption: sample.caption };
}

const scenes = (count: number, more: Partial<Dataset> = {}): Dataset => ({
  length: count,
  at: (index) => sampleOf(index, { edited: index % 2 === 1 }),
  ...more,
});

describe("samples of a program's own", () => {
  test('are measured as files are, and keep their words', async () => {
    const { samples, skipped } = await gatherDataset('mine', scenes(2));
    assert.deepEqual(skipped, []);
    const [plain, edited] = samples as [(typeof samples)[0], (typeof samples)[0]];
    assert.deepEqual([plain.where, edited.where], ['mine 0', 'mine 1']);
    const { sharpness, motionScore, ...facts } = plain.facts;
    assert.ok(sharpness! > 0 && motionScore! > 0, `${sharpness} ${motionScore}`);
    assert.deepEqual(facts, {
      ...target,
      kind: 'clip',
      captionWords: plain.caption.split(' ').length,
      colourful: true,
      watermark: false,
      text: false,
      hasMask: false,
      hasDepth: true,
      hasEditSource: false,
    });
    assert.deepEqual([plain.instruction, edited.caption], [null, '']);
    assert.ok(edited.facts.hasEditSource && edited.instruction !== '');
    assert.notEqual(plain.content, edited.content);
  });

  test('give tasks what scenes of the same pixels give', async () => {
    for (const task of ['vinp', 'd2v', 'vedit', 'mtrans', 'any']) {
      const edited = task === 'vedit';
      const mine = { length: 8, at: () => sampleOf(7, { edited }) };
      const { samples } = await gatherDataset('mine', mine);
      const { caption, instruction, facts, hasSourceDepth = false } = samples[7]!;
      const { width, height, motionScore } = facts;
      const size = { width, height, motionScore };
      const common = {
        target,
        task,
        seed: 3,
        label: 'a',
        depth: 'own' as const,
        frameDropout: 0,
        wants: { clip: true },
        places: {},
        keeps: false,
      };
      const { origin: scene } = sceneAt('clip', 'train', 7, { maxObjects: 2, others: null });
      const job: SampleJob = {
        ...common,
        where: 'mine 7',
        origin: {
          kind: 'sample',
          dataset: 'mine',
          index: 7,
          ...size,
          caption,
          instruction,
          hasSourceDepth,
        },
      };
      const made = await makeSample(job, { tasks: [], datasets: { mine } });
      const expected = await makeSample({ ...common, where: 'scene', origin: scene });
      assert.ok(!('problem' in made) && !('problem' in expected), JSON.stringify(made));
      const pixels = ({ given, clip }: typeof made) => ({
        clip: Buffer.from(clip!.data),
        known: given!.known.map(({ frames, at, hole, depth }) => [
          Buffer.from(frames.data),
          at,
          hole,
          depth && [...depth.data],
        ]),
        depth: given!.geometry.map(({ depth }) => depth && [...depth.data]),
      });
      assert.deepEqual(pixels(made), pixels(expected), task);
    }
  });

  test('are given the mixtures that the job says', async () => {
    const { origin } = sceneAt('clip', 'train', 7, { maxObjects: 2, others: null });
    const mixture = Mixture.parse({
      places: { all: 1 },
      parts: [2, 2],
      hole: { none: 1 },
      gray: 1,
      soft: 0,
      small: 0,
      depth: { none: 1 },
    });
    const made = await makeSample({
      where: 'scene',
      origin,
      target,
      task: 'any',
      seed: 3,
      label: 'a',
      mixture,
      depth: 'own',
      frameDropout: 0,
      wants: {},
      places: {},
      keeps: false,
    });
    assert.ok(!('problem' in made));
    const { known, geometry } = made.given!;
    assert.deepEqual(
      known.flatMap(({ at }) => at),
      [...Array(target.numFrames).keys()],
    );
    assert.ok(known.length === 2 && known.every(({ gray, hole }) => gray && !hole));
    assert.deepEqual(geometry, []);
  });

  test('that cannot be had are left out and said', async () => {
    const data = new Uint8Array(48 * 32 * 3);
    const clip = { width: 48, height: 32, numFrames: 1, data };
    const bad: DatasetSample[] = [
      { clip: { ...clip, numFrames: 2 } },
      {
        clip,
        edit: {
          source: { ...clip, numFrames: 2, data: new Uint8Array(2 * data.length) },
          instruction: 'a',
        },
      },
      { clip, depth: { width: 48, height: 32, numFrames: 1, data: new Float32Array(7) } },
      {} as never,
    ];
    const mine: Dataset = {
      length: 6,
      at(index) {
        if (index === 4) throw new Error('the disk is gone');
        return bad[index] ?? { clip, caption: 'a dark picture' };
      },
    };
    const { samples, skipped } = await gatherDataset('mine', mine);
    assert.deepEqual(
      samples.map(({ where }) => where),
      ['mine 5'],
    );
    assert.deepEqual(
      skipped.map(({ reason }) => reason),
      [
        'mine 0: clip: data must be [F, H, W, 3] = [2, 32, 48, 3], got 4608 bytes',
        'mine 1: edit.source: must have as many frames as the clip (1), got 2',
        'mine 2: depth must be [F, H, W] = [1, 32, 48], got 7 values',
        'mine 3: must have a clip, got none',
        'mine 4: cannot be read (the disk is gone)',
      ],
    );
    const none = { length: 4, at: mine.at };
    await assert.rejects(
      openSources([{ dataset: 'mine', weight: 1 }], { datasets: { mine: none } }),
      {
        name: 'InputError',
        message: /^mine: none of its 4 samples can be used \(first: mine 0: clip: /,
      },
    );
    await assert.rejects(openSources([{ dataset: 'mine', weight: 1 }]), {
      message: /^dataset "mine": is not given; a program passes it as train\(/,
    });
  });

  test('are not read again where the data set says that it is the same', async () => {
    const folder = temporaryFolder();
    const open = async (version?: string) => {
      const store = DataStore.open(folder);
      let reads = 0;
      const mine = scenes(3, { version });
      const { samples } = await gatherDataset(
        'mine',
        {
          ...mine,
          at(index) {
            reads++;
            return mine.at(index);
          },
        },
        { store },
      );
      await store.close();
      return { reads, samples };
    };
    const first = await open('1');
    for (const [version, reads] of [
      ['1', 0],
      ['2', 3],
      [undefined, 3],
    ] as const) {
      assert.deepEqual(await open(version), { reads, samples: first.samples });
    }
  });
});
