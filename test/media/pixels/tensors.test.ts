import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ShapeError } from '../../../src/errors.js';
import { readImage } from '../../../src/media/codecs/image.js';
import {
  framesToTensor,
  resize,
  resizeFrames,
  resizePillow,
  tensorToFrames,
} from '../../../src/media/pixels/tensors.js';
import { contactSheet, drawContactSheet } from '../../../src/media/sheet/contact-sheet.js';
import { fromArray, tensor } from '../../../src/tensor/index.js';
import { temporaryFolder } from '../../temp-folder.js';
import { colorAt, flatFrames } from '../helpers.js';

const folder = temporaryFolder();

describe('framesToTensor and tensorToFrames', () => {
  test('every byte comes back, in its place', () => {
    const data = Uint8Array.from({ length: 2 * 8 * 16 * 3 }, (_, i) => (i * 37) % 256);
    const frames = { width: 16, height: 8, numFrames: 2, data };
    const x = framesToTensor(frames);
    assert.deepEqual([x.shape, x.dtype], [[1, 3, 2, 8, 16], 'float32']);
    // green of frame 1, row 2, column 3
    const value = x.toFloat32Array()[((1 * 2 + 1) * 8 + 2) * 16 + 3]!;
    assert.ok(Math.abs(value - (data[((8 + 2) * 16 + 3) * 3 + 1]! / 127.5 - 1)) < 1e-6);
    assert.deepEqual(tensorToFrames(x), frames);
    assert.deepEqual(tensorToFrames(x.reshape([3, 2, 8, 16])), frames);
  });

  test('clips, and rounds half to even', () => {
    const values = [-2, -1, 0, 0.9, 1, 1.5].flatMap((v) => [v, v, v]);
    const x = tensor(values).reshape([6, 3]).transpose(0, 1).reshape([3, 1, 6]);
    const { data } = tensorToFrames(x);
    // 0 is 127.5: 128 is the even neighbour
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((i) => data[i * 3]),
      [0, 0, 128, 242, 255, 255],
    );
  });

  test('names the shape that it wants', () => {
    assert.throws(() => tensorToFrames(tensor([1, 2, 3])), ShapeError);
    assert.throws(
      () => tensorToFrames(fromArray(new Float32Array(2 * 3 * 4), [2, 3, 1, 2, 2])),
      /must be \[1, 3, F, H, W\].*got \[2, 3, 1, 2, 2\]/,
    );
  });
});

describe('resizing', () => {
  const data = Uint8Array.from({ length: 9 * 7 * 3 }, (_, i) => (i * i * 31) % 256);
  const frames = { width: 9, height: 7, numFrames: 1, data };

  test('resizePillow on planes equals resizeFrames on interleaved bytes', () => {
    const planes = Uint8Array.from(data, (_, i) => data[(i % 63) * 3 + Math.floor(i / 63)]!);
    const x = fromArray(planes, [1, 3, 7, 9]);
    const resized = resizePillow(x, { width: 5, height: 12 });
    assert.deepEqual([resized.shape, resized.dtype], [[1, 3, 12, 5], 'uint8']);
    const want = resizeFrames(frames, { width: 5, height: 12 }).data;
    const got = resized.toArray();
    assert.deepEqual(
      Array.from(want, (_, i) => got[(i % 3) * 60 + Math.floor(i / 3)]),
      [...want],
    );
    assert.equal(resizePillow(x, { width: 9, height: 7 }), x);
    assert.throws(
      () => resizePillow(framesToTensor(frames), { width: 5, height: 5 }),
      /must be uint8/,
    );
  });

  test("antialiased bicubic is Pillow's but for the rounding of its two passes", () => {
    for (const size of [
      { width: 4, height: 3 },
      { width: 18, height: 21 },
    ]) {
      const float = resize(framesToTensor(frames), size);
      assert.deepEqual(float.shape, [1, 3, 1, size.height, size.width]);
      const got = tensorToFrames(float).data;
      const want = resizeFrames(frames, size).data;
      // at most one step from each pass's rounding, more where the first pass was clipped
      const off = want.filter((value, i) => Math.abs(value - got[i]!) > 1).length;
      assert.ok(off <= want.length * 0.05, `${off} of ${want.length} differ by more than 1`);
    }
  });

  test('keeps dtype and gradient; nearest repeats pixels', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]).requiresGrad_();
    const near = resize(x, { width: 4, height: 2 }, { mode: 'nearest' });
    assert.deepEqual([...near.toFloat32Array()], [1, 1, 2, 2, 3, 3, 4, 4]);
    near.sum().backward();
    assert.deepEqual([...x.grad!.toFloat32Array()], [2, 2, 2, 2]);
    assert.equal(resize(x.detach().to('bfloat16'), { width: 3, height: 3 }).dtype, 'bfloat16');
  });
});

describe('contactSheet', () => {
  test('shows frames of clips, enlarged, with labels', async () => {
    const clip = flatFrames(8, 8, [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ]);
    const path = join(folder, 'sheets/sheet.png');
    await contactSheet(
      [{ label: 'a clip and its first frame', images: [clip, framesToTensor(clip)] }],
      path,
      { framesPerClip: 2, scale: 2, columns: ['bytes', 'tensor'] },
    );
    const sheet = await readImage(path);
    const top = sheet.height - 8 - 8; // middle of the only row: margin, half of 16
    assert.deepEqual(colorAt(sheet, 0, 8 + 4, top), [255, 0, 0]);
    assert.deepEqual(colorAt(sheet, 0, 8 + 16 + 2 + 4, top), [0, 0, 255]);
    assert.deepEqual(colorAt(sheet, 0, 8 + 34 + 10 + 4, top), [255, 0, 0]);
    assert.ok(
      sheet.data.some((value) => value === 32),
      'text is drawn',
    );
  });

  test('refuses to draw nothing', () => {
    assert.throws(() => drawContactSheet([]), /at least one image/);
  });
});
