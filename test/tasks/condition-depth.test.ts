import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../src/data/random.js';
import type { Sample } from '../../src/data/sources/sample.js';
import { type DepthMap, type Frames, NEAREST, sliceFrames } from '../../src/media/index.js';
import { conditionOf, given, TASKS, type Task } from '../../src/tasks/index.js';
import { fromArray, type Tensor } from '../../src/tensor/index.js';

const size = { width: 32, height: 16 };
const NUM_FRAMES = 17;
const plane = size.width * size.height;
const target = { ...size, numFrames: NUM_FRAMES };

/** Bytes and depth that differ from pixel to pixel, as a seed says. */
function sampleOf(seed: number, numFrames = NUM_FRAMES): Sample {
  const random = new RandomStream(seed, 'sample');
  const frames = (): Frames => ({
    ...size,
    numFrames,
    data: Uint8Array.from({ length: numFrames * plane * 3 }, () => random.next() * 256),
  });
  const depth = (): DepthMap => ({
    ...size,
    numFrames,
    path: '',
    data: Float32Array.from({ length: numFrames * plane }, () => random.between(2, 7)),
  });
  return {
    clip: frames(),
    caption: 'a red cube',
    depth: depth(),
    edit: { source: frames(), sourceDepth: depth(), instruction: 'make it blue' },
  };
}

/** `a` where something is known of the clip, `b` where it is to be made. */
function mixed(a: Sample, b: Sample, isKnown: (pixel: number) => boolean): Sample {
  const depth = a.depth!.data.map((value, p) => (isKnown(p) ? value : b.depth!.data[p]!));
  const pixels = a.clip.data.map((value, i) =>
    isKnown(Math.floor(i / 3)) ? value : b.clip.data[i]!,
  );
  return { ...a, clip: { ...a.clip, data: pixels }, depth: { ...a.depth!, data: depth } };
}

const values = (tensor: Tensor): Float32Array => tensor.toFloat32Array();

describe('the depth of a condition', () => {
  const tasks = Object.values<Task>(TASKS).filter(
    ({ inputs, needs }) => inputs.length > 0 && !needs.depth,
  );
  for (const task of tasks) {
    test(`is never that of what is to be made: ${task.id}`, () => {
      const numFrames = task.result === 'image' ? 1 : NUM_FRAMES;
      const [one, other] = [sampleOf(1, numFrames), sampleOf(2, numFrames)];
      const goal = { ...size, numFrames };
      // masks are drawn alike, whatever the sample shows
      const conditionFrom = (sample: Sample) =>
        conditionOf(task.fromSample(sample, new RandomStream(5, task.id)), goal, { scale: 'clip' });
      const expected = conditionFrom(one);
      const mask = values(expected.mask);
      const changed = conditionFrom(mixed(one, other, (p) => mask[p] === 1));
      assert.deepEqual(values(changed.depth), values(expected.depth));
      values(expected.depth).forEach((depth, p) => {
        if (mask[p] === 0) assert.ok(depth === 0, `pixel ${p} is to be made`);
      });
      const nearest = expected.depth.amax().item();
      assert.ok(Math.abs(nearest - NEAREST) < 1e-5, 'the nearest known point');
    });
  }

  test('is estimated from the picture alone, without the margins around it', () => {
    const seen: Frames[] = [];
    const estimate = (frames: Frames): Tensor => {
      seen.push(frames);
      const { numFrames, height, width, data } = frames;
      const depth = Float32Array.from(
        { length: numFrames * height * width },
        (_, p) => data[p * 3]!,
      );
      return fromArray(depth, [numFrames, height, width]);
    };
    const hole = Uint8Array.from({ length: plane }, (_, p) => (p % size.width < 8 ? 1 : 0));
    const frames = sliceFrames(sampleOf(3).clip, 0, 1);
    const parts = given({ known: [{ frames, at: [0], hole }] });
    const { depth } = conditionOf(parts, { ...size, numFrames: 1 }, { estimate });
    assert.deepEqual(
      seen.map(({ width, height }) => [width, height]),
      [[24, 16]],
    );
    values(depth).forEach((value, p) => {
      assert.equal(value, hole[p] ? 0 : frames.data[p * 3]);
    });
  });

  test('of a scale from farthest to nearest is the same for any linear change of depth', () => {
    const { clip, depth } = sampleOf(4);
    const twice = { ...depth!, data: depth!.data.map((value) => 3 * value + 5) };
    for (const [scale, most] of [
      ['clip', NEAREST],
      ['unit', 1],
    ] as const) {
      const [a, b] = [depth!, twice].map((map) => {
        const at = [...Array(NUM_FRAMES).keys()];
        const parts = given({ known: [{ frames: clip, at, hole: null, depth: map }] });
        return values(conditionOf(parts, target, { scale }).depth);
      });
      a!.forEach((value, p) => {
        assert.ok(Math.abs(value - b![p]!) < 1e-4);
      });
      assert.equal(Math.min(...a!), 0);
      assert.ok(Math.abs(Math.max(...a!) - most) < 1e-5);
    }
  });

  test('of a plane that faces the camera is 0, not NaN', () => {
    const { clip, depth } = sampleOf(4, 1);
    const flat = { ...depth!, data: depth!.data.map(() => 4) };
    const parts = given({ known: [{ frames: clip, at: [0], hole: null, depth: flat }] });
    const { depth: laid } = conditionOf(parts, { ...size, numFrames: 1 }, { scale: 'clip' });
    assert.ok(values(laid).every((value) => value === 0));
  });

  test('given for some frames alone leaves the others without', () => {
    const { depth } = sampleOf(6, 3);
    const parts = given({ geometry: [{ frames: null, depth, at: [2, 3, 16] }] });
    const laid = conditionOf(parts, target).depth;
    for (let frame = 0; frame < NUM_FRAMES; frame++) {
      const index = [2, 3, 16].indexOf(frame);
      const expected =
        index < 0
          ? new Float32Array(plane)
          : depth!.data.subarray(index * plane, (index + 1) * plane);
      assert.deepEqual(values(laid.select(2, frame)), Float32Array.from(expected));
    }
    assert.throws(
      () => conditionOf(given({ geometry: [{ frames: null, depth, at: [2, 3, 17] }] }), target),
      /3 frames of depth need one position each within 17 frames, got \[2, 3, 17\]/,
    );
  });
});

describe('a mask between 0 and 1', () => {
  test('weighs the pixels, and keeps its values when it is resized', () => {
    const frames = sliceFrames(sampleOf(7).clip, 0, 1);
    const hole = Float32Array.from({ length: plane }, (_, p) => (p % 4) / 4);
    const parts = given({ known: [{ frames, at: [0], hole }] });
    const whole = given({ known: [{ frames, at: [0], hole: null }] });
    const one = { ...size, numFrames: 1 };
    const { pixels, mask } = conditionOf(parts, one);
    const full = values(conditionOf(whole, one).pixels);
    const kept = values(mask);
    values(pixels).forEach((value, i) => {
      const share = 1 - hole[i % plane]!;
      assert.equal(kept[i % plane], share);
      assert.ok(Math.abs(value - share * full[i]!) < 1e-6);
    });
    const larger = conditionOf(parts, { width: 64, height: 48, numFrames: 1 });
    assert.deepEqual([...new Set(values(larger.mask))].sort(), [0.25, 0.5, 0.75, 1]);
  });
});
