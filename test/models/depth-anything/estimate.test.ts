import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { type Frames, sliceFrames } from '../../../src/media/index.js';
import {
  DEPTH_ANYTHING_PROCESSOR,
  DepthProcessor,
  depthAtSize,
  estimateDepth,
  openDepthModel,
  parseDepthProcessorConfig,
} from '../../../src/models/depth-anything/index.js';
import {
  memoryInfo,
  noGrad,
  saveSafetensors,
  type Tensor,
  tensor,
  tidy,
} from '../../../src/tensor/index.js';
import { temporaryFolder } from '../../temp-folder.js';
import { TINY, tinyModel } from './tiny.js';

const root = temporaryFolder();
const single = join(root, 'single');
const sharded = join(root, 'sharded');
const PROCESSOR = {
  image_processor_type: 'DPTImageProcessor',
  size: { height: 16, width: 16 },
  keep_aspect_ratio: true,
  ensure_multiple_of: 4,
};

const worst = (a: Tensor, b: Tensor) => a.sub(b).abs().amax().item();
const inScope = (fn: () => void) => () => noGrad(() => tidy(fn));

function clip(width: number, height: number, numFrames: number): Frames {
  const data = Uint8Array.from(
    { length: width * height * numFrames * 3 },
    (_, i) => (i * i * 31 + i * 7) % 256,
  );
  return { width, height, numFrames, data };
}

before(() =>
  tidy(() => {
    const json = (path: string, value: unknown) => writeFileSync(path, JSON.stringify(value));
    mkdirSync(single);
    const state = [...tinyModel().stateDict()];
    json(join(single, 'config.json'), TINY);
    json(join(single, 'preprocessor_config.json'), PROCESSOR);
    cpSync(single, sharded, { recursive: true });
    saveSafetensors(join(single, 'model.safetensors'), new Map(state));
    const shards = [state.slice(0, 20), state.slice(20)];
    const homes = shards.map((shard, i) => {
      const name = `model-0000${i + 1}-of-00002.safetensors`;
      saveSafetensors(join(sharded, name), new Map(shard));
      return shard.map(([key]) => [key, name]);
    });
    const index = { weight_map: Object.fromEntries(homes.flat()) };
    json(join(sharded, 'model.safetensors.index.json'), index);
  }),
);

describe('openDepthModel and estimateDepth', () => {
  test(
    'gives the same from one file, from shards and from the network at work',
    inScope(() => {
      const frames = clip(30, 21, 2);
      const depth = estimateDepth(openDepthModel(single, { dtype: 'float32' }), frames);
      assert.deepEqual([depth.shape, depth.dtype], [[2, 21, 30], 'float32']);
      const again = estimateDepth(openDepthModel(sharded, { dtype: 'float32' }), frames);
      assert.equal(worst(again, depth), 0);
      const processor = new DepthProcessor(parseDepthProcessorConfig(PROCESSOR));
      const predicted = tinyModel().forward(processor.pixelValues(frames));
      assert.ok(worst(depthAtSize(predicted, { width: 30, height: 21 }), depth) < 1e-5);
    }),
  );

  test(
    'a clip in several batches is as its frames one by one, and leaves no tensor behind',
    inScope(() => {
      const network = tinyModel({ patch_size: 16 }, { patch_size: 16, image_size: 48 });
      // 300 x 200 pixels: four frames fill a batch
      const config = { size: 300, keep_aspect_ratio: true };
      const processor = new DepthProcessor(parseDepthProcessorConfig(config));
      const model = { network, processor, folder: 'depth' };
      const frames = clip(12, 8, 5);
      const { tensors } = memoryInfo();
      const depth = estimateDepth(model, frames);
      assert.equal(memoryInfo().tensors, tensors + 1);
      for (let i = 0; i < 5; i++) {
        const alone = estimateDepth(model, sliceFrames(frames, i, i + 1));
        assert.ok(worst(alone, depth.narrow(0, i, 1)) < 1e-5);
      }
    }),
  );

  test('names the file that is missing and the key that is wrong', () => {
    assert.throws(() => openDepthModel(root), /no config\.json/);
    const broken = join(root, 'broken');
    cpSync(single, broken, { recursive: true });
    writeFileSync(join(broken, 'preprocessor_config.json'), '{"resample": 9}');
    assert.throws(() => openDepthModel(broken), /preprocessor_config\.json: resample/);
  });
});

test('weights of a depth model that are no numbers are named with their file', () => {
  const folder = join(root, 'no-numbers');
  cpSync(single, folder, { recursive: true });
  tidy(() => {
    const state = new Map(tinyModel().stateDict());
    const [name, weight] = [...state].at(-1)!;
    state.set(name, weight.clone().fill_(Number.NaN));
    saveSafetensors(join(folder, 'model.safetensors'), state);
    const model = openDepthModel(folder, { dtype: 'float32' });
    assert.throws(() => estimateDepth(model, clip(12, 8, 1)), {
      name: 'InputError',
      message: `${join(folder, 'model.safetensors')}: ${name} holds NaN; the file is damaged, or its training diverged: copy it again or take another`,
    });
    model.network.dispose();
  });
});

describe('DepthProcessor', () => {
  const processor = new DepthProcessor(DEPTH_ANYTHING_PROCESSOR);
  const sizeOf = (height: number, width: number) => {
    const size = processor.sizeFor({ height, width });
    return [size.height, size.width];
  };

  test('scales both sides as little as possible and rounds halves to even', () => {
    assert.deepEqual(sizeOf(480, 640), [518, 686]);
    assert.deepEqual(sizeOf(100, 400), [126, 518]); // the width's scale is nearer to 1
    assert.deepEqual(sizeOf(518, 511), [518, 504]); // 36.5 patches
    assert.deepEqual(sizeOf(518, 525), [518, 532]); // 37.5 patches
    assert.throws(() => sizeOf(4, 4000), InputError);
  });

  test('may fit each side alone, or leave the size', () => {
    const free = parseDepthProcessorConfig({ size: { height: 20, width: 33 } });
    const size = { height: 7, width: 9 };
    assert.deepEqual(new DepthProcessor(free).sizeFor(size), { height: 20, width: 33 });
    const as = parseDepthProcessorConfig({ do_resize: false });
    assert.deepEqual(new DepthProcessor(as).sizeFor(size), size);
  });

  test(
    'normalises every colour by its own mean and deviation, frame by frame',
    inScope(() => {
      const frames = {
        width: 1,
        height: 1,
        numFrames: 2,
        data: Uint8Array.of(0, 51, 255, 255, 0, 0),
      };
      const got = processor.normalised(frames);
      assert.deepEqual(got.shape, [2, 3, 1, 1]);
      const want = [
        ...[-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225],
        ...[(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225],
      ];
      assert.ok(worst(got.flatten(), tensor(want)) < 1e-6);
    }),
  );

  test(
    'pads with zeros around, the odd one right and below',
    inScope(() => {
      const config = {
        do_resize: false,
        do_pad: true,
        size_divisor: 4,
        image_mean: 0,
        image_std: 1,
      };
      const padding = new DepthProcessor(parseDepthProcessorConfig(config));
      const frames = { width: 1, height: 2, numFrames: 1, data: new Uint8Array(6).fill(255) };
      const got = padding.pixelValues(frames);
      assert.deepEqual(got.shape, [1, 3, 4, 4]);
      const column = [0, 1, 1, 0];
      assert.deepEqual([...got.select(1, 0).select(2, 1).toArray()], column);
      assert.equal(got.sum().item(), 6);
    }),
  );
});
