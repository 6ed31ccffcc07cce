import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gatherDataset } from '../../../../src/data/measure/gather-dataset.js';
import { inspectItem } from '../../../../src/data/measure/inspect.js';
import { contentHash } from '../../../../src/data/sources/data-file.js';
import type { Dataset } from '../../../../src/data/sources/dataset.js';
import type { DataFile } from '../../../../src/data/sources/items.js';
import { type Frames, writeImage } from '../../../../src/media/index.js';
import { conditionOf, TASKS, type Task } from '../../../../src/tasks/index.js';
import { drawUse } from '../../../../src/train/feed/draw.js';
import { depthOrigin } from '../../../../src/train/feed/encode/depth-origin.js';
import {
  depthLines,
  openSources,
  SampleMaker,
  type SourceItem,
  stageSet,
} from '../../../../src/train/feed/index.js';
import { sceneAt } from '../../../../src/train/feed/items/scenes.js';
import { type DepthPlan, Recipe, type Stage } from '../../../../src/train/recipe/config.js';
import { stagesOf } from '../../../../src/train/recipe/stages.js';
import { temporaryFolder } from '../../../temp-folder.js';

const root = temporaryFolder();
const size = { width: 64, height: 64, numFrames: 1 };
const none: DepthPlan = { from: 'none', dropout: 0, frameDropout: 0 };

/** A picture of colours that differ from pixel to pixel. */
const picture = (seed: number): Frames => ({
  ...size,
  data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * (seed + 3) + 11 * i) % 251),
});
/** Gray that gets lighter towards the bottom. */
const ramp = (): Frames => ({
  ...size,
  data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => 3 * Math.floor(i / 3 / 64)),
});
const flat: Frames = { ...size, data: new Uint8Array(64 * 64 * 3).fill(7) };

/** Three pictures: with depth, with depth that holds none, and without. */
async function writeSet(folder: string): Promise<string> {
  const rows = await Promise.all(
    [ramp(), flat, null].map(async (depth, i) => {
      await writeImage(join(folder, `${i}.png`), picture(i));
      if (depth) await writeImage(join(folder, `${i}-depth.png`), depth);
      const row = { image: `${i}.png`, prompt: 'a picture of many colours' };
      return JSON.stringify(depth ? { ...row, depth: `${i}-depth.png` } : row);
    }),
  );
  const path = join(folder, 'set.jsonl');
  writeFileSync(path, rows.join('\n'));
  return path;
}

function stageOf(manifest: string, depth: object): Stage {
  const recipe = Recipe.parse({
    name: 'test',
    data: [{ manifest }],
    depth,
    transformer: { steps: 1 },
  });
  return stagesOf(recipe)[0]!;
}

describe('depth of known frames', async () => {
  const manifest = await writeSet(root);
  const { sources } = await openSources([{ manifest, weight: 1 }]);
  const items = sources[0]!.items;
  const scene = sceneAt('image', 'train', 1, { maxObjects: 2, others: null });

  test('comes from the first that there is', () => {
    const of = (item: SourceItem, task: Task, from: DepthPlan['from'], model?: string) =>
      depthOrigin(item, task, { from, model });
    const [withDepth, , without] = items as [SourceItem, SourceItem, SourceItem];
    const { iinp, t2i, iedit, d2v } = TASKS as Record<string, Task>;
    const found = (['auto', 'exact', 'files', 'model', 'none'] as const).map((from) => [
      of(scene, iinp!, from, 'm'),
      of(withDepth, iinp!, from, 'm'),
      of(without, iinp!, from, 'm'),
      of(without, iinp!, from),
    ]);
    assert.deepEqual(found, [
      ['own', 'own', 'model', null],
      ['own', null, null, null],
      [null, 'own', null, null],
      ['model', 'model', 'model', null],
      [null, null, null, null],
    ]);
    assert.equal(of(scene, t2i!, 'auto', 'm'), null, 'a prompt alone knows no frames');
    // what an edit knows is the picture before it, whose depth no file gives
    assert.deepEqual([of(scene, iedit!, 'auto'), of(withDepth, iedit!, 'auto')], ['own', null]);
    // a task of depth alone takes what there is
    assert.deepEqual([of(scene, d2v!, 'none'), of(scene, d2v!, 'model', 'm')], ['own', 'model']);
  });

  test('is counted for people, with what would give the others theirs', () => {
    const linesOf = (depth: object) => {
      const stage = stageOf(manifest, depth);
      return depthLines(stageSet(sources, stage), stage);
    };
    assert.deepEqual(linesOf({}), [
      `${manifest}: depth of known frames is from files for 1 image, unknown for 2 images; a depth model (depth.model) would estimate it`,
    ]);
    assert.deepEqual(linesOf({ model: 'm' }), [
      `${manifest}: depth of known frames is from files for 1 image, estimated for 2 images`,
    ]);
  });

  test('of files enters the condition; a file that holds none is said once', async () => {
    const said: string[] = [];
    const maker = new SampleMaker({
      store: null,
      workers: 1,
      onSkip: (where, reason) => said.push(`${where}: ${reason}`),
    });
    const make = (item: SourceItem, task: string | null) =>
      maker.make({ item, target: size, task, seed: 0, label: 'a', depth: 'own' }, {});
    const good = await make(items[0]!, 'icolor');
    assert.ok(!('problem' in good));
    const { depth } = conditionOf(good.given!, size, { scale: 'clip' });
    depth.toFloat32Array().forEach((value, p) => {
      assert.ok(Math.abs(value - (10 * Math.floor(p / 64)) / 63) < 1e-3, `pixel ${p}: ${value}`);
    });
    for (const task of ['icolor', 'iinp']) assert.ok('problem' in (await make(items[1]!, task)));
    assert.equal(said.length, 1);
    assert.match(said[0]!, /1-depth\.png: is one shade of gray all over, so it holds no depth/);
    await maker.close();
  });

  test("of a program's own samples enters the condition, also that of the source of an edit", async () => {
    const map = (value: number) => ({
      ...size,
      data: Float32Array.from({ length: 64 * 64 }, (_, p) => (p < 9 ? 0 : value)),
    });
    const mine: Dataset = {
      length: 2,
      at: (index) =>
        index === 0
          ? { clip: picture(4), depth: map(3), caption: 'a picture' }
          : {
              clip: picture(5),
              edit: { source: picture(6), sourceDepth: map(4), instruction: 'turn it' },
            },
    };
    const { samples } = await gatherDataset('mine', mine);
    assert.deepEqual(
      samples.map(({ hasSourceDepth = false }) => hasSourceDepth),
      [false, true],
    );
    const opened = await openSources([{ dataset: 'mine', weight: 1 }], { datasets: { mine } });
    const maker = new SampleMaker({ store: null, workers: 1, datasets: { mine } });
    const values: number[][] = [];
    for (const [i, task] of [TASKS.icolor, TASKS.iedit].entries()) {
      const item = opened.sources[0]!.items[i]!;
      const depth = depthOrigin(item, task, { from: 'auto', model: undefined });
      const wanted = { item, target: size, task: task.id, seed: 0, label: 'a', depth };
      const made = await maker.make(wanted, {});
      assert.ok(!('problem' in made));
      values.push([...new Set(conditionOf(made.given!, size).depth.toFloat32Array())]);
    }
    assert.deepEqual(values, [
      [0, 3],
      [0, 4],
    ]);
    await maker.close();
    const bad = { length: 1, at: () => ({ clip: picture(4), depth: map(Number.NaN) }) };
    const { skipped } = await gatherDataset('bad', bad);
    assert.equal(skipped[0]!.reason, 'bad 0: depth must be finite, got NaN or an infinite value');
  });

  test('makes another sample of the same picture, and leaves the hash of one without as it was', async () => {
    const file = (name: string): DataFile => ({ name, path: join(root, name), member: null });
    const hashOf = async (depth: string | null) => {
      const inspected = await inspectItem({
        where: 'a',
        kind: 'image',
        media: file('0.png'),
        target: null,
        mask: null,
        depth: depth === null ? null : file(depth),
        prompt: '',
        part: {},
        stated: { watermark: false, text: false },
      });
      return 'problem' in inspected ? inspected.problem : inspected.contentHash;
    };
    const hashes = [await hashOf('0-depth.png'), await hashOf('1-depth.png'), await hashOf(null)];
    assert.equal(new Set(hashes).size, 3);
    assert.equal(hashes[2], await contentHash([file('0.png')], '{}'));
  });
});

describe('leaving depth out', () => {
  const clip = { ...size, numFrames: 17 };
  const entry = {
    item: sceneAt('clip', 'train', 1, { maxObjects: 2, others: null }),
    facts: {} as never,
    tasks: [TASKS.i2v, TASKS.vinp, TASKS.mtrans].map((task) => ({ task, weight: 1 })),
  };
  const dropouts = { textDropout: { image: 0, video: 0.2 }, conditionDropout: 0.1 };
  const drawn = (dropout: number) =>
    Array.from({ length: 600 }, (_, i) =>
      drawUse(
        entry,
        clip,
        { ...dropouts, depth: { ...none, from: 'auto', dropout } },
        { seed: 1, label: `${i}` },
      ),
    );

  test('changes no other draw, and never the depth that a task is about', () => {
    const [all, some] = [drawn(0), drawn(0.25)];
    const others = (uses: typeof all) => uses.map(({ depth: _, task, ...use }) => [task.id, use]);
    assert.deepEqual(others(some), others(all));
    assert.ok(all.every(({ depth }) => depth === 'own'));
    const known = some.filter(({ task }) => task !== TASKS.mtrans);
    const share = known.filter(({ depth }) => depth === null).length / known.length;
    assert.ok(Math.abs(share - 0.25) < 0.07, `${share}`); // 400 draws: three deviations
    assert.ok(some.every(({ task, depth }) => task !== TASKS.mtrans || depth === 'own'));
  });

  test('frame by frame leaves pixels, mask, and the depth of the others', async () => {
    const maker = new SampleMaker({ store: null, workers: 1 });
    const make = async (frameDropout: number) => {
      const wanted = { item: entry.item, target: clip, task: 'vinp', seed: 4, label: 'a' };
      const made = await maker.make({ ...wanted, depth: 'own', frameDropout }, {});
      assert.ok(!('problem' in made));
      return conditionOf(made.given!, clip);
    };
    const [whole, part, again] = [await make(0), await make(0.4), await make(0.4)];
    for (const name of ['pixels', 'mask'] as const) {
      assert.deepEqual(part[name].toFloat32Array(), whole[name].toFloat32Array());
    }
    assert.deepEqual(again.depth.toFloat32Array(), part.depth.toFloat32Array(), 'same seed');
    let left = 0;
    for (let frame = 0; frame < clip.numFrames; frame++) {
      const own = part.depth.select(2, frame).toFloat32Array();
      if (own.every((value) => value === 0)) left++;
      else assert.deepEqual(own, whole.depth.select(2, frame).toFloat32Array());
    }
    assert.ok(left > 0 && left < clip.numFrames, `${left} frames without`);
    await maker.close();
  });
});
