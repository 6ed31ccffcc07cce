import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomStream } from '../../../src/data/random.js';
import type { SampleFacts } from '../../../src/data/sources/facts.js';
import { tokensOf } from '../../../src/models/latent-grid.js';
import {
  batchSizeOf,
  bucketReport,
  coverOf,
  croppedShare,
  type StageShape,
  targetOf,
} from '../../../src/train/feed/buckets.js';

const STAGE: StageShape = { width: 256, height: 256, numFrames: 49, aspect: 'native' };

const factsOf = (width: number, height: number, numFrames = 1): SampleFacts => ({
  kind: numFrames === 1 ? 'image' : 'clip',
  width,
  height,
  numFrames,
  captionWords: 5,
  sharpness: null,
  motionScore: null,
  colourful: true,
  watermark: false,
  text: false,
  hasMask: false,
  hasDepth: false,
  hasEditSource: false,
});

/** Sizes of cameras, phones, films and the web. */
const SIZES = [
  ...[
    [1920, 1080],
    [1280, 720],
    [720, 1280],
    [640, 480],
    [1024, 1024],
    [800, 600],
    [3000, 2000],
  ],
  ...[
    [500, 333],
    [101, 57],
    [320, 240],
    [1080, 1920],
    [2048, 858],
    [64, 64],
    [200, 1000],
  ],
] as [number, number][];

function mixedSet(count: number): { kind: 'image' | 'clip'; facts: SampleFacts }[] {
  const random = new RandomStream(3, 'mixed set');
  return Array.from({ length: count }, () => {
    const [width, height] = random.pick(SIZES);
    const numFrames = random.chance(0.5) ? 1 : Math.floor(random.between(5, 200));
    return { kind: numFrames === 1 ? 'image' : 'clip', facts: factsOf(width, height, numFrames) };
  });
}

describe('targetOf', () => {
  test('keeps sides multiples of 16, the area within the stage and lengths 4k + 1', () => {
    for (const { kind, facts } of mixedSet(500)) {
      const target = targetOf(facts, kind, STAGE)!;
      const { width, height, numFrames } = target;
      assert.deepEqual([width % 16, height % 16, numFrames % 4], [0, 0, 1]);
      assert.ok(width * height <= 256 * 256, `${width}x${height}`);
      assert.ok(numFrames <= Math.min(49, facts.numFrames), `${numFrames}`);
      // three quarters of what there is, at least
      assert.ok(
        kind === 'image' || numFrames >= Math.min(49, facts.numFrames) * 0.6,
        `${numFrames}`,
      );
    }
  });

  test('follows the shape of the sample, and enlarges none but the smallest', () => {
    const size = (width: number, height: number) => {
      const target = targetOf(factsOf(width, height), 'image', STAGE)!;
      return [target.width, target.height];
    };
    assert.deepEqual(size(1000, 1000), [256, 256]);
    assert.deepEqual(size(1920, 1080), [336, 192]);
    assert.deepEqual(size(1080, 1920), [192, 336]);
    const [width, height] = size(200, 200);
    assert.ok(width! <= 200 && height! <= 200 && width! >= 160, `${width}x${height}`);
    assert.deepEqual(size(32, 32), [64, 64]);
  });

  test("is the stage's size where that is fixed, and null for a clip that is too short", () => {
    const fixed: StageShape = { ...STAGE, aspect: 'fixed' };
    const want = { width: 256, height: 256, numFrames: 1 };
    assert.deepEqual(targetOf(factsOf(100, 700), 'image', fixed), want);
    assert.equal(targetOf(factsOf(300, 300, 4), 'clip', STAGE), null);
    assert.equal(targetOf(factsOf(300, 300, 5), 'clip', STAGE)!.numFrames, 5);
  });
});

test('what covers a size is no larger than it must be, and centred', () => {
  const { scaled, left, top } = coverOf({ width: 1920, height: 1080 }, { width: 64, height: 64 });
  assert.deepEqual([scaled, left, top], [{ width: 114, height: 64 }, 25, 0]);
  assert.equal(croppedShare({ width: 128, height: 64 }, { width: 64, height: 64 }), 0.5);
});

test('a batch holds as many as the budget, but one', () => {
  const target = { width: 64, height: 64, numFrames: 17 };
  assert.equal(tokensOf(target), 80);
  assert.equal(batchSizeOf(target, 1280), 16);
  assert.equal(batchSizeOf(target, 10), 1);
});

describe('bucketReport', () => {
  test('leaves nothing of a budget empty that one sample exceeds', () => {
    const samples = [{ kind: 'clip' as const, facts: factsOf(256, 256, 49) }];
    assert.equal(bucketReport(samples, { ...STAGE, tokensPerBatch: 100 }).waste, 0);
  });

  test('leaves less than 5 % of the budget empty on a mixed set', () => {
    const samples = mixedSet(3000);
    for (const [stage, tokensPerBatch] of [
      [STAGE, 32_768],
      [{ ...STAGE, width: 64, height: 64, numFrames: 17 }, 1280],
    ] as const) {
      const { rows, waste, cropped } = bucketReport(samples, { ...stage, tokensPerBatch });
      assert.ok(waste < 0.05, `waste ${waste}`);
      assert.ok(cropped < 0.15, `cropped ${cropped}`);
      const counted = rows.reduce((sum, row) => sum + row.samples, 0);
      assert.equal(counted, samples.length);
      for (const kind of ['image', 'clip']) {
        const shares = rows.filter((row) => row.kind === kind).map(({ share }) => share);
        assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-9, 'shares sum to 1');
      }
    }
  });
});
