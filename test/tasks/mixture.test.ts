import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../src/data/random.js';
import type { Sample } from '../../src/data/sources/sample.js';
import type { DepthMap, Frames } from '../../src/media/index.js';
import {
  type ConditionInputs,
  conditionOf,
  drawMixture,
  Mixture,
  TASKS,
} from '../../src/tasks/index.js';
import type { Tensor } from '../../src/tensor/index.js';
import { expectSameFromFiles } from './same-condition.js';

const size = { width: 32, height: 16 };
const NUM_FRAMES = 17;
const plane = size.width * size.height;
const target = { ...size, numFrames: NUM_FRAMES };
const SEEDS = Array.from({ length: 120 }, (_, seed) => seed);

/** Bytes and depth that differ from pixel to pixel, as a seed says. */
function sampleOf(seed: number): Sample {
  const random = new RandomStream(seed, 'sample');
  const clip: Frames = {
    ...target,
    data: Uint8Array.from({ length: NUM_FRAMES * plane * 3 }, () => random.next() * 256),
  };
  const depth: DepthMap = {
    ...target,
    path: '',
    data: Float32Array.from({ length: NUM_FRAMES * plane }, () => random.between(2, 7)),
  };
  return { clip, caption: 'a red cube', depth, edit: null };
}

const draw = (seed: number, mixture?: Partial<Mixture>, sample = sampleOf(1)): ConditionInputs =>
  drawMixture(sample, new RandomStream(seed, 'mixture'), Mixture.parse(mixture ?? {}));

const placesOf = ({ known }: ConditionInputs): number[] => known.flatMap(({ at }) => at);
/** A sum with 0, as the sign of 0 does not count. */
const values = (tensor: Tensor): Float32Array => tensor.toFloat32Array().map((value) => value + 0);

describe('a mixture', () => {
  test('of a training clip is that of files at their places, soft masks included', async () => {
    const kinds = new Set<string>();
    for (let seed = 0; seed < 24; seed++) {
      const { mask, depth } = await expectSameFromFiles(TASKS.any, seed);
      const shares = values(mask);
      if (shares.some((share) => share > 0 && share < 1)) kinds.add('soft');
      if (shares.every((share) => share === 0)) kinds.add('nothing but depth');
      if (depth.amax().item() > 0) kinds.add('depth');
    }
    assert.deepEqual(kinds, new Set(['soft', 'nothing but depth', 'depth']));
  });

  test('never shows what is to be made, by pixels or by the depth of known frames', () => {
    for (const seed of SEEDS) {
      const [one, other] = [sampleOf(1), sampleOf(2)];
      // depth of whole frames is given on purpose
      const mixture: Partial<Mixture> = { depth: { known: 1 }, small: 0.4, soft: 0.4 };
      const from = (sample: Sample) =>
        conditionOf(draw(seed, mixture, sample), target, { scale: 'clip' });
      const expected = from(one);
      const mask = values(expected.mask);
      const changed = from({
        ...one,
        clip: {
          ...one.clip,
          data: one.clip.data.map((value, i) =>
            mask[Math.floor(i / 3)]! > 0 ? value : other.clip.data[i]!,
          ),
        },
        depth: {
          ...one.depth!,
          data: one.depth!.data.map((value, p) => (mask[p]! > 0 ? value : other.depth!.data[p]!)),
        },
      });
      for (const part of ['pixels', 'depth', 'mask'] as const) {
        assert.deepEqual(values(changed[part]), values(expected[part]), `${part}, seed ${seed}`);
      }
      values(expected.depth).forEach((depth, p) => {
        if (mask[p] === 0) assert.equal(depth, 0, `pixel ${p}, seed ${seed}`);
      });
    }
  });

  test('knows each frame once, in order, and gives depth once', () => {
    for (const seed of SEEDS) {
      const drawn = draw(seed);
      const places = placesOf(drawn);
      assert.deepEqual(
        places,
        [...new Set(places)].sort((a, b) => a - b),
      );
      for (const { frames, at, hole } of drawn.known) {
        assert.equal(frames.numFrames, at.length);
        if (hole) assert.equal(hole.length, at.length * frames.width * frames.height);
      }
      assert.ok(places.length + drawn.geometry.length > 0, 'something is given');
      conditionOf(drawn, target);
    }
  });

  test('is of every kind that its distribution names, and of no other', () => {
    const drawn = SEEDS.map((seed) => draw(seed));
    const has = (is: (one: ConditionInputs) => boolean) => {
      const count = drawn.filter(is).length;
      assert.ok(count > 2 && count < SEEDS.length, `${count} of ${SEEDS.length}`);
    };
    has(({ known }) => known.length === 0);
    has((one) => placesOf(one).length === NUM_FRAMES);
    has(({ known }) => known.length > 1);
    has(({ known }) => known.some(({ gray }) => gray));
    has(({ known }) => known.some(({ hole }) => hole));
    has(({ known }) => known.some(({ hole }) => hole instanceof Float32Array));
    has(({ known }) => known.some(({ frames }) => frames.width < size.width));
    has(({ geometry }) => geometry.length > 0 && geometry[0]!.at.length === NUM_FRAMES);
    has(({ geometry }) => geometry.length > 0 && geometry[0]!.at.length < NUM_FRAMES);
    has(({ known }) => known.length > 0 && known.every(({ depth }) => !depth));
    const plain: Partial<Mixture> = {
      places: { scattered: 1 },
      frames: [0.1, 0.2],
      parts: [1, 1],
      hole: { none: 1 },
      soft: 0,
      gray: 0,
      small: 0,
      depth: { none: 1 },
    };
    for (const seed of SEEDS) {
      const { known, geometry } = draw(seed, plain);
      assert.equal(known.length, 1);
      const [{ at, hole, gray, frames, depth }] = known as [(typeof known)[number]];
      assert.ok(at.length >= 2 && at.length <= 3, String(at));
      assert.deepEqual([hole, gray, frames.width, depth], [null, false, size.width, null]);
      assert.deepEqual(geometry, []);
    }
  });

  test('is what a named task is given, where its distribution leaves only that', () => {
    const only = { parts: [1, 1] as [number, number], soft: 0, gray: 0, small: 0 };
    const sample = sampleOf(1);
    const depth = draw(3, { ...only, places: { none: 1 }, depth: { all: 1 } });
    const shape = TASKS.d2v.fromSample(sample, new RandomStream(0, 'no first frame'));
    assert.deepEqual(depth.geometry, shape.geometry);
    const gray = draw(3, {
      ...only,
      gray: 1,
      places: { all: 1 },
      hole: { none: 1 },
      depth: { known: 1 },
    });
    const expected = TASKS.vcolor.fromSample(sample);
    const [a, b] = [gray, expected].map((one) => conditionOf(one, target));
    for (const part of ['pixels', 'depth', 'mask'] as const) {
      assert.deepEqual(values(a![part]), values(b![part]), part);
    }
  });

  test('of a clip without depth has none, and still gives something', () => {
    for (const seed of SEEDS) {
      const drawn = draw(seed, {}, { ...sampleOf(1), depth: null });
      assert.ok(drawn.known.length > 0);
      assert.deepEqual(drawn.geometry, []);
      assert.ok(drawn.known.every(({ depth }) => !depth));
    }
  });

  test('is drawn from a distribution that a recipe checks', () => {
    assert.throws(() => Mixture.parse({ hole: { none: 0 } }), /a weight above 0/);
    assert.throws(() => Mixture.parse({ frames: [0.5, 0.1] }), /the least value, then the largest/);
    assert.throws(() => Mixture.parse({ places: { random: 1 } }));
  });
});
