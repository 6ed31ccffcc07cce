import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../../src/data/random.js';
import { resizeDepth } from '../../../src/media/depth/resize-depth.js';
import { type DepthMap, depthToTensor, fitFrames } from '../../../src/media/index.js';
import {
  type ConditionInputs,
  conditionOf,
  everyFrame,
  TASKS,
  type Task,
} from '../../../src/tasks/index.js';
import { jointOf } from '../../../src/tasks/table.js';
import { buffersOf, fitGiven } from '../../../src/train/feed/fit-given.js';
import { sampleFor } from '../../tasks/same-condition.js';

function expectSame(
  given: ConditionInputs,
  target: { width: number; height: number; numFrames: number },
) {
  const fitted = fitGiven(given, target);
  for (const { frames, hole } of fitted.known) {
    assert.deepEqual([frames.width, frames.height], [target.width, target.height]);
    if (hole) assert.equal(hole.length, frames.numFrames * target.width * target.height);
  }
  const [a, b] = [conditionOf(given, target), conditionOf(structuredClone(fitted), target)];
  for (const part of ['pixels', 'depth', 'mask'] as const) {
    assert.deepEqual(b[part].toFloat32Array(), a[part].toFloat32Array(), part);
  }
}

describe('what is given, fitted, makes the same condition to the bit', () => {
  for (const task of Object.values<Task>(TASKS)) {
    test(task.id, () => {
      for (const seed of [0, 1, 2]) {
        const sample = sampleFor(task, seed);
        expectSame(task.fromSample(sample, new RandomStream(seed, 'given')), sample.clip);
      }
    });
  }

  test('also where frames with a hole have another size', () => {
    const { clip } = sampleFor(TASKS.vinp, 4);
    for (const size of [
      { width: 80, height: 48 },
      { width: 16, height: 32 },
    ]) {
      const given = TASKS.vinp.fromSample(sampleFor(TASKS.vinp, 4), new RandomStream(4, 'hole'));
      expectSame(given, { ...size, numFrames: clip.numFrames });
      const { frames } = fitFrames(clip, { width: 33, height: 47 }, 'crop');
      const hole = Uint8Array.from({ length: 33 * 47 * 17 }, (_, i) => (i % 7 < 3 ? 1 : 0));
      expectSame(everyFrame(frames, { hole }), { ...size, numFrames: clip.numFrames });
    }
  });

  test('each buffer is moved once, and none for a few of its frames', () => {
    const sample = sampleFor(TASKS.vtrans, 0);
    const given = TASKS.vtrans.fromSample(sample);
    assert.equal(buffersOf(given).length, 2, 'pixels and depth');
    const joint = jointOf(sample.clip.numFrames) * 32 * 48;
    const bytes = buffersOf(fitGiven(given, sample.clip)).map(({ byteLength }) => byteLength);
    // of each end, three bytes of colour and four of depth per pixel
    assert.deepEqual(bytes, [3 * joint, 4 * joint, 3 * joint, 4 * joint]);
  });
});

test("depth is resized as a tensor's, but for rounding", () => {
  const random = new RandomStream(0, 'depth');
  const data = Float32Array.from({ length: 2 * 23 * 31 }, () => random.between(0, 10));
  const map: DepthMap = { path: '', width: 31, height: 23, numFrames: 2, data };
  for (const size of [
    { width: 16, height: 16 },
    { width: 64, height: 48 },
    { width: 31, height: 48 },
  ]) {
    const want = depthToTensor(map, size).toFloat32Array();
    const got = resizeDepth(map, size).data;
    const worst = want.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0);
    // sums of up to 4x4 values of at most 10 in float32
    assert.ok(worst < 3e-5, `${size.width}x${size.height}: ${worst}`);
  }
});
