import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { miniWorld } from '../../../src/data/miniworld/index.js';
import { relativeDepth } from '../../../src/media/depth/depth.js';
import { doubtedMeaning, NEAREST, toRelative } from '../../../src/media/depth/meaning.js';

const close = (got: Float32Array | null, want: number[]) => {
  assert.equal(got?.length, want.length);
  want.forEach((value, i) => {
    assert.ok(Math.abs(got![i]! - value) < 1e-5, `${got} is not ${want}`);
  });
};

describe('toRelative', () => {
  test('larger is nearer, farther, or a distance', () => {
    close(toRelative(Float32Array.of(2, 4, 10), 'near'), [0, NEAREST / 4, NEAREST]);
    close(toRelative(Float32Array.of(2, 4, 10), 'far'), [NEAREST, 0.75 * NEAREST, 0]);
    // 1/1, 1/2, 1/4 from 0 to NEAREST
    close(toRelative(Float32Array.of(1, 2, 4), 'distance'), [NEAREST, NEAREST / 3, 0]);
  });

  test('what was not measured is far, and does not change the rest', () => {
    close(toRelative(Float32Array.of(0, 1000, 2000, 0, 4000), 'distance'), [
      ...[0, NEAREST, NEAREST / 3, 0, 0],
    ]);
  });

  test('one value holds no depth', () => {
    for (const is of ['near', 'far', 'distance'] as const) {
      assert.equal(toRelative(Float32Array.of(3, 3, 3), is), null);
    }
    assert.equal(toRelative(Float32Array.of(0, 0, 5), 'distance'), null);
    assert.equal(toRelative(Float32Array.of(0, 0), 'distance'), null);
  });
});

describe('doubtedMeaning', () => {
  const [width, height] = [8, 120];
  const map = (valueAt: (x: number, y: number) => number) => ({
    path: 'd.png',
    width,
    height,
    numFrames: 1,
    data: Float32Array.from({ length: width * height }, (_, i) =>
      valueAt(i % width, Math.floor(i / width)),
    ),
  });
  /** The ground comes nearer towards the bottom: its distance is that of a plane below the eye. */
  const ground = (y: number) => 30000 / (y + 20);

  test('ground that is near at the bottom is as it should be', () => {
    assert.equal(doubtedMeaning(map((_, y) => 1 / ground(y))), null);
    assert.equal(doubtedMeaning(map(() => 1)), null);
    assert.equal(doubtedMeaning(map((x) => x)), null);
  });

  test('white that is far is doubted', () => {
    assert.equal(doubtedMeaning(map((_, y) => -1 / ground(y))), 'far');
    assert.equal(doubtedMeaning(map((_, y) => ground(y))), 'far');
  });

  test("a sensor's millimetres with holes are doubted as distances", () => {
    assert.equal(
      doubtedMeaning(map((x, y) => (x === 3 && y > 2 ? 0 : ground(y) + 500))),
      'distance',
    );
    // disparity with holes: its bottom is near
    assert.equal(doubtedMeaning(map((x, y) => (x === 3 ? 0 : 50 + y))), null);
  });

  test('rendered scenes are doubted as distances alone', () => {
    for (let seed = 0; seed < 20; seed++) {
      const scene = miniWorld(seed, { width: 32, height: 32, numFrames: 1 });
      assert.equal(doubtedMeaning(relativeDepth(scene.depth, scene)), null, `scene ${seed}`);
      const distances = { path: 'd.png', width: 32, height: 32, numFrames: 1, data: scene.depth };
      assert.equal(doubtedMeaning(distances), 'far', `scene ${seed}`);
    }
  });
});
