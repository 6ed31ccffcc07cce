import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames, Mask } from '../../../../src/media/index.js';
import {
  type ReferenceOptions,
  referencePlan,
} from '../../../../src/pipeline/generate/reference/layout.js';
import { TASKS, type Task } from '../../../../src/tasks/index.js';
import { full, type Tensor } from '../../../../src/tensor/index.js';

/** Frames of one grey each: frame i has value `first + i`. */
function greys(width: number, height: number, numFrames: number, first = 100): Frames {
  const plane = width * height * 3;
  const data = new Uint8Array(numFrames * plane);
  for (let i = 0; i < numFrames; i++) data.fill(first + i, i * plane, (i + 1) * plane);
  return { width, height, numFrames, data };
}

const options: ReferenceOptions = {
  width: 64,
  height: 48,
  numFrames: 9,
  defaultNumFrames: 13,
  cropType: 'keep_ratio',
  upscale: 4,
};
const plan = (
  task: Task,
  media: Frames[],
  changes: Partial<ReferenceOptions> = {},
  mask: Mask | null = null,
) => referencePlan(task, { media, mask }, { ...options, ...changes }, null);

const at = (x: Tensor, frame: number, y: number, column: number) =>
  x.select(2, frame).select(2, y).select(2, column).toFloat32Array()[0]!;
const signed = (byte: number) => (byte / 255) * 2 - 1;

describe('referencePlan', () => {
  test('puts an input between bars that are unknown', () => {
    const { condition, target } = plan(TASKS.i2v, [greys(96, 48, 1)]);
    assert.deepEqual(target, { width: 64, height: 48, numFrames: 13 });
    const { pixels, mask } = condition;
    // 64 x 32 in the middle of 64 x 48
    assert.deepEqual([at(mask, 0, 7, 0), at(mask, 0, 8, 0), at(mask, 0, 39, 63)], [0, 1, 1]);
    assert.deepEqual([at(mask, 0, 40, 0), at(mask, 1, 20, 0)], [0, 0]);
    assert.ok(Math.abs(at(pixels, 0, 20, 5) - signed(100)) < 1e-6);
    assert.ok(Math.abs(at(pixels, 0, 0, 0)) === 0);
  });

  test('turns the size for a portrait input, unless keep_ratio_h', () => {
    const portrait = [greys(30, 40, 1)];
    const size = (cropType: ReferenceOptions['cropType']) => {
      const { width, height } = plan(TASKS.i2v, portrait, { cropType }).target;
      return [width, height];
    };
    assert.deepEqual(size('keep_ratio'), [48, 64]);
    assert.deepEqual(size('keep_ratio_h'), [64, 48]);
    assert.deepEqual(size('keep_res'), [48, 64]);
  });

  test('takes the last frames of one clip and the first of another, and keeps the rest', () => {
    const media = [greys(64, 48, 7, 10), greys(64, 48, 6, 200)];
    const { condition, before, after, target } = plan(TASKS.vtrans, media, { joints: [2, 3] });
    const known = Array.from({ length: target.numFrames }, (_, i) => at(condition.mask, i, 9, 9));
    assert.deepEqual(known, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert.ok(Math.abs(at(condition.pixels, 1, 9, 9) - signed(16)) < 1e-6);
    assert.ok(Math.abs(at(condition.pixels, 10, 9, 9) - signed(200)) < 1e-6);
    assert.deepEqual([before!.size(2), after!.size(2)], [5, 3]);
    assert.ok(Math.abs(at(after!, 0, 9, 9) - signed(203)) < 1e-6);
  });

  test('lays given depth where the picture lies; bars are far', () => {
    const media = [greys(96, 48, 1)];
    const data = new Float32Array(12 * 6).fill(4);
    const depth = [{ path: 'd.png', width: 12, height: 6, numFrames: 1, data }];
    const { condition } = referencePlan(TASKS.i2v, { media, mask: null, depth }, options, null);
    const found = [7, 8, 39, 40].map((y) => at(condition.depth, 0, y, 30));
    assert.deepEqual(found, [0, 4, 4, 0]);
    assert.equal(at(condition.depth, 1, 20, 30), 0);
  });

  test('keeps a soft mask soft, and multiplies the pixels by it', () => {
    const data = new Uint8Array(64 * 48).fill(51);
    const mask = { path: 'soft.png', width: 64, height: 48, numFrames: 1, data };
    const { condition } = plan(TASKS.iinp, [greys(64, 48, 1, 255)], {}, mask);
    assert.ok(Math.abs(at(condition.mask, 0, 3, 3) - 0.2) < 1e-6);
    assert.ok(Math.abs(at(condition.pixels, 0, 3, 3) - 0.2) < 1e-6);
  });

  test('uses as many frames of a clip as make 4k + 1, at most those asked for', () => {
    assert.equal(plan(TASKS.vsr, [greys(64, 48, 12)]).target.numFrames, 9);
    assert.equal(plan(TASKS.vsr, [greys(64, 48, 7)]).target.numFrames, 5);
    assert.equal(plan(TASKS.t2v, []).target.numFrames, 9);
  });

  test('tells depth on the frames with their bars, of known frames alone', () => {
    const sizes: number[][] = [];
    const depth = (frames: Frames) => {
      sizes.push([frames.width, frames.height, frames.numFrames]);
      return full([frames.numFrames, frames.height, frames.width], 3);
    };
    const of = (task: Task, media: Frames[]) =>
      referencePlan(task, { media, mask: null }, options, depth).condition.depth;
    const ends = of(TASKS.itrans, [greys(96, 48, 1), greys(20, 20, 1)]);
    assert.deepEqual(sizes, [
      [64, 48, 1],
      [64, 48, 1],
    ]);
    assert.deepEqual([at(ends, 0, 0, 0), at(ends, 1, 0, 0), at(ends, 12, 0, 0)], [3, 0, 3]);
    assert.equal(
      of(TASKS.vsr, [greys(64, 48, 9)])
        .abs()
        .amax()
        .item(),
      0,
    );
  });

  test('refuses an input of which nothing would be left', () => {
    assert.throws(() => plan(TASKS.i2v, [greys(400, 20, 1)]), /400x20: is too elongated for 64x48/);
  });
});
