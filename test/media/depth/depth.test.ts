import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { InputError } from '../../../src/errors.js';
import { writeImage, writeVideo } from '../../../src/media/codecs/write.js';
import { NEAREST, readDepth } from '../../../src/media/depth/depth.js';
import { depthToTensor } from '../../../src/media/depth/depth-to-tensor.js';
import { turbo } from '../../../src/media/depth/palettes.js';
import { fromArray, saveSafetensors, type Tensor } from '../../../src/tensor/index.js';
import { temporaryFolder } from '../../temp-folder.js';
import { flatFrames, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** A gray PNG of one row. */
async function writeGray(name: string, values: number[], bits: 8 | 16 = 8): Promise<string> {
  const data = bits === 8 ? Uint8Array.from(values) : Uint16Array.from(values);
  const raw = { width: values.length, height: 1, channels: 1 as const };
  await sharp(data, { raw })
    .toColourspace(bits === 8 ? 'b-w' : 'grey16')
    .png()
    .toFile(at(name));
  return at(name);
}

const save = (name: string, ...tensors: Tensor[]) => {
  saveSafetensors(at(name), new Map(tensors.map((x, i) => [`x${i}`, x])));
  return at(name);
};

const close = (got: Iterable<number>, want: number[]) => {
  const values = [...got];
  assert.equal(values.length, want.length);
  for (const [i, value] of values.entries()) {
    assert.ok(Math.abs(value - want[i]!) < 1e-5, `${values} is not ${want}`);
  }
};

describe('readDepth', () => {
  test('white is near: the darkest value is 0, the lightest as near as can be', async () => {
    const { data, width, height, numFrames } = await readDepth(
      await writeGray('gray.png', [50, 100, 250]),
    );
    close(data, [0, NEAREST / 4, NEAREST]);
    assert.deepEqual([width, height, numFrames], [3, 1, 1]);
  });

  test('16 bits stay 16 bits', async () => {
    const path = await writeGray('deep.png', [1000, 1001, 1002, 1004], 16);
    close((await readDepth(path)).data, [0, NEAREST / 4, NEAREST / 2, NEAREST]);
  });

  test('a folder is a clip with one range for all frames', async () => {
    mkdirSync(at('frames'));
    await writeGray('frames/10.png', [255, 255]);
    await writeGray('frames/2.png', [0, 51]);
    const { data, numFrames } = await readDepth(at('frames'));
    assert.equal(numFrames, 2);
    close(data, [0, NEAREST / 5, NEAREST, NEAREST]);
  });

  test('a clip is read frame by frame', { skip: noFfmpeg }, async () => {
    const clip = flatFrames(16, 16, [
      [0, 0, 0],
      [255, 255, 255],
    ]);
    await writeVideo(at('depth.mp4'), clip, { fps: 8 });
    const { data, numFrames } = await readDepth(at('depth.mp4'));
    assert.deepEqual([numFrames, data[0], data[256]], [2, 0, NEAREST]);
  });

  test('the tensor of a file is taken as it is', async () => {
    const one = fromArray(Float32Array.from([-0.5, 3]), [1, 2]);
    const map = await readDepth(save('one.safetensors', one));
    assert.deepEqual([...map.data], [-0.5, 3]);
    assert.deepEqual([map.width, map.height, map.numFrames], [2, 1, 1]);
    const two = await readDepth(save('two.safetensors', one.view([2, 1, 1]).to('bfloat16')));
    assert.deepEqual([two.width, two.height, two.numFrames, ...two.data], [1, 1, 2, -0.5, 3]);
    const whole = fromArray(Float32Array.from([-7, 300]), [1, 2]);
    for (const dtype of ['float16', 'float64', 'int16', 'int32', 'int64'] as const) {
      const stored = await readDepth(save(`${dtype}.safetensors`, whole.to(dtype)));
      assert.deepEqual([...stored.data], [-7, 300], dtype);
    }
  });

  test('white may be far, and values may be distances', async () => {
    const path = await writeGray('far.png', [50, 100, 250]);
    close((await readDepth(path, { is: 'far' })).data, [NEAREST, 0.75 * NEAREST, 0]);
    const metric = await writeGray('metric.png', [0, 1000, 2000, 4000], 16);
    close((await readDepth(metric, { is: 'distance' })).data, [0, NEAREST, NEAREST / 3, 0]);
    const tensor = save('far.safetensors', fromArray(Float32Array.from([-1, 0, 3]), [1, 3]));
    assert.deepEqual([...(await readDepth(tensor, { is: 'far' })).data], [3, 2, -1]);
    const metres = save('metres.safetensors', fromArray(Float32Array.from([1, 2, 4]), [1, 3]));
    close((await readDepth(metres, { is: 'distance' })).data, [NEAREST, NEAREST / 3, 0]);
  });

  test('names the palette of false colours, with the remedy', async () => {
    const data = Uint8Array.from(
      Array.from({ length: 256 }, (_, i) => turbo(i / 255).map(Math.round)).flat(),
    );
    await writeImage(at('turbo.png'), { width: 32, height: 8, numFrames: 1, data });
    await assert.rejects(readDepth(at('turbo.png')), {
      name: InputError.name,
      message: /turbo\.png: is in the false colours of the palette turbo, .*; give the gray map/,
    });
  });

  test('refuses in one sentence', async () => {
    await writeImage(at('colour.png'), flatFrames(8, 8, [[200, 20, 90]]));
    mkdirSync(at('empty'));
    mkdirSync(at('mixed'));
    await writeGray('mixed/1.png', [0, 1]);
    await writeGray('mixed/2.png', [0, 1, 2]);
    const one = fromArray(Float32Array.from([1, Number.NaN]), [1, 2]);
    const cases: [string, RegExp][] = [
      [at('colour.png'), /colour\.png: is in colour; a depth map is gray/],
      [await writeGray('flat.png', [7, 7]), /flat\.png: is one shade of gray all over/],
      [at('none.png'), /none\.png: no such file/],
      [at('empty'), /empty: the folder holds no pictures/],
      [
        at('mixed'),
        /2\.png: all depth maps of a clip must have one size \(2x1 as 1\.png\), got 3x1/,
      ],
      [save('nan.safetensors', one), /nan\.safetensors: depth must be finite/],
      [save('nan.safetensors', one), /got NaN at 1,0 of frame 0; replace such values/],
      [
        save('same.safetensors', one.clone().fill_(3)),
        /has one value all over, so it holds no depth/,
      ],
      [save('many.safetensors', one, one), /must hold one tensor, .*got 2 \("x0", "x1"\)/],
      [save('flat.safetensors', one.view([2])), /depth must be \[F, H, W\], .*got \[2\]/],
    ];
    for (const [path, message] of cases) {
      await assert.rejects(readDepth(path), { name: InputError.name, message });
    }
  });
});

test('depthToTensor resizes without leaving the range', () => {
  const map = { path: 'd', width: 2, height: 1, numFrames: 1, data: Float32Array.from([0, 10]) };
  const x = depthToTensor(map, { width: 8, height: 4 });
  assert.deepEqual(x.shape, [1, 4, 8]);
  const values = [...x.toFloat32Array()];
  assert.deepEqual([Math.min(...values), Math.max(...values)], [0, 10]);
});
