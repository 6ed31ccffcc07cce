import assert from 'node:assert/strict';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { captionOf, drawScene, renderScene } from '../../../../src/data/miniworld/index.js';
import { sceneSample } from '../../../../src/data/miniworld/sample.js';
import { RandomStream } from '../../../../src/data/random.js';
import { DataStore } from '../../../../src/data/store.js';
import { estimateDepth, openDepthModel } from '../../../../src/models/depth-anything/index.js';
import { conditionOf, type DepthScale, TASKS, type Task } from '../../../../src/tasks/index.js';
import { setThreads } from '../../../../src/tensor/index.js';
import {
  type AheadOptions,
  depthMaps,
  estimateAhead,
  openSources,
  SampleMaker,
} from '../../../../src/train/feed/index.js';
import { sceneAt } from '../../../../src/train/feed/items/scenes.js';
import { Recipe } from '../../../../src/train/recipe/config.js';
import { stagesOf } from '../../../../src/train/recipe/stages.js';
import { saveTinyDepthModel } from '../../../models/depth-anything/tiny.js';
import { conditionOfFiles, writeGiven } from '../../../tasks/given-files.js';
import { temporaryFolder } from '../../../temp-folder.js';

const root = temporaryFolder();
const model = saveTinyDepthModel(join(root, 'model'));
const target = { width: 32, height: 48, numFrames: 17 };
setThreads(1);

function makerOf(store: DataStore | null): SampleMaker {
  const maker = new SampleMaker({ store, workers: 1 });
  maker.depthMaps = depthMaps(model, 'float32');
  return maker;
}

describe('with depth from a model, the condition of a sample is that of its files', () => {
  const tasks: Task[] = [
    ...[TASKS.i2v, TASKS.vexd, TASKS.itrans, TASKS.vtrans],
    ...[TASKS.vcolor, TASKS.vedit, TASKS.mtrans, TASKS.icolor, TASKS.iedit],
  ];
  const network = openDepthModel(model, { dtype: 'float32' });
  for (const task of tasks) {
    test(task.id, async () => {
      const size = { ...target, numFrames: task.result === 'image' ? 1 : target.numFrames };
      const kind = task.result === 'image' ? 'image' : 'clip';
      const item = sceneAt(kind, 'train', 7, { maxObjects: 2, others: null });
      const store = DataStore.open(join(root, `of ${task.id}`));
      const maker = makerOf(store);
      const common = { item, target: size, task: task.id, seed: 3, label: 'a' };
      const made = await maker.make({ ...common, depth: 'model' }, {});
      await maker.close();
      await store.close();
      assert.ok(!('problem' in made));

      // the same scene as files, which have no depth
      const scene = drawScene(7, { split: 'train', maxObjects: 2, image: kind === 'image' });
      const { frames: data } = renderScene(scene, size);
      const sample = sceneSample(scene, { ...size, data }, captionOf(scene, size.numFrames));
      const plain = {
        clip: sample.clip,
        caption: '',
        depth: null,
        edit: { ...sample.edit!, sourceDepth: null },
      };
      const given = task.fromSample(plain, new RandomStream(3, 'a'));
      const [geometry] = given.geometry;
      // what is in the files is the motion's clip, and no depth
      const depth = geometry && { path: '', ...size, data: new Float32Array(data.length / 3) };
      const whole = { ...given, geometry: geometry ? [{ ...geometry, depth: depth! }] : [] };
      const files = await writeGiven(task, whole, join(root, `files of ${task.id}`));
      for (const scale of ['raw', 'clip'] as DepthScale[]) {
        const trained = conditionOf(made.given!, size, { scale });
        const used = await conditionOfFiles(task, { ...files, depth: [] }, size, {
          scale,
          estimate: (frames) => estimateDepth(network, frames),
        });
        for (const part of ['pixels', 'mask', 'depth'] as const) {
          const worst = trained[part].sub(used[part]).abs().amax().item();
          // float32, with frames in batches of other sizes; the tiny model's narrow range is scaled
          // to 0..10
          assert.ok(worst < (scale === 'raw' ? 1e-5 : 1e-3), `${scale} ${part}: ${worst}`);
        }
        assert.ok(trained.depth.abs().amax().item() > 0, 'there is depth');
      }
    });
  }
});

describe('estimateAhead', () => {
  const recipe = Recipe.parse({
    name: 'ahead',
    data: [{ miniworld: { clips: 3, images: 4 } }],
    depth: { from: 'model', model },
    transformer: { steps: 1, width: 32, height: 32, numFrames: 9 },
  });
  const stages = stagesOf(recipe);

  async function optionsOf(store: DataStore) {
    const { sources } = await openSources(recipe.data, { validationSamples: 2 });
    const done: number[] = [];
    const maker = makerOf(store);
    const report = {
      start: (label: string, total: number) => {
        assert.equal(label, 'estimating depth');
        done.push(total);
      },
      update: () => {},
      log: (text: string) => assert.fail(text),
      end: () => {},
    };
    const { signal } = new AbortController();
    const options: AheadOptions = { maker, stages, sources: [sources], report, signal };
    return { options, done, maker };
  }

  // of images and clips, three and four and two held out of each, also those before an edit
  const ALL = 2 * (3 + 4 + 2 + 2);

  test('computes what is missing, each process its share, and goes on after a stop', async () => {
    const folder = join(root, 'ahead');
    const first = DataStore.open(folder, { rank: 0 });
    const one = await optionsOf(first);
    const stop = new AbortController();
    one.options.report = { ...one.options.report, update: (n) => n === 2 && stop.abort() };
    const half = { rank: 0, size: 2 };
    const stopped = await estimateAhead({ ...one.options, world: half, signal: stop.signal });
    assert.equal(stopped, false);
    const second = DataStore.open(folder, { rank: 1 });
    const two = await optionsOf(second);
    for (const { options, store, rank } of [
      { ...one, store: first, rank: 0 },
      { ...two, store: second, rank: 1 },
    ]) {
      store.refresh();
      const report = { ...options.report, update: () => {} };
      assert.ok(await estimateAhead({ ...options, report, world: { rank, size: 1 + rank } }));
    }
    await first.flush();
    second.refresh();
    assert.ok(await estimateAhead(two.options));
    assert.deepEqual(one.done, [ALL / 2, ALL - 2]);
    assert.deepEqual(two.done, [], 'nothing is left to do');
    await one.maker.close();
    await two.maker.close();
    await first.close();
    await second.close();
  });

  test('what it computed is what is made without a cache, also where the cache is damaged', async () => {
    const folder = join(root, 'damaged');
    const store = DataStore.open(folder);
    const { options, maker } = await optionsOf(store);
    assert.ok(await estimateAhead(options));
    maker.depthMaps!.release(); // as before training: it is opened again where it is needed
    const item = options.sources[0]![0]!.items.find(({ kind }) => kind === 'clip')!;
    const size = { width: 32, height: 32, numFrames: 9 };
    const wanted = {
      item,
      target: size,
      task: 'vexd',
      seed: 0,
      label: 'a',
      depth: 'model',
    } as const;
    const depthOf = async (some: SampleMaker) => {
      const made = await some.make(wanted, {});
      assert.ok(!('problem' in made));
      return made.given!.known.map(({ depth }) => [...depth!.data]);
    };
    const cached = await depthOf(maker);
    for (const name of readdirSync(folder)) {
      if (name.endsWith('.pack')) truncateSync(join(folder, name), 100);
    }
    assert.deepEqual(await depthOf(maker), cached);
    assert.ok(store.figures.damaged > 0);
    const bare = makerOf(null);
    assert.deepEqual(await depthOf(bare), cached);
    await bare.close();
    await maker.close();
    await store.close();
  });

  test('another model, or other preparation of pictures, has other maps', () => {
    const [a, b] = [model, saveTinyDepthModel(join(root, 'larger'), {}, { size: 32 })].map(
      (folder) => depthMaps(folder, 'float32'),
    );
    const again = depthMaps(model, 'float32');
    const half = depthMaps(model, 'bfloat16');
    assert.equal(again.hash, a!.hash);
    assert.equal(new Set([a!.hash, b!.hash, half.hash]).size, 3);
  });
});
