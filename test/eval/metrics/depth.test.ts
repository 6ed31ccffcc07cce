import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  alignDepth,
  depthErrors,
  depthFlicker,
  depthFlickerByFlow,
  followPoints,
  rankCorrelation,
} from '../../../src/eval/metrics/index.js';
import type { Frames } from '../../../src/media/index.js';

const near = (value: number | null | undefined, expected: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(value! - expected) < tolerance, `${value} is not ${expected}`);

describe('rankCorrelation', () => {
  test('is 1 for any increasing function and -1 for a decreasing one', () => {
    const values = [3, 1, 4, 1.5, 9, 2.6];
    near(
      rankCorrelation(
        values,
        values.map((v) => v ** 3),
      ),
      1,
    );
    near(
      rankCorrelation(
        values,
        values.map((v) => -Math.log(v)),
      ),
      -1,
    );
  });

  test('gives equal values the mean of their ranks', () => {
    // ranks 1, 2.5, 2.5, 4 and 2, 1, 3.5, 3.5: deviations -1.5 0 0 1.5 and -0.5 -1.5 1 1, so
    // 2.25 / sqrt(4.5 · 4.5)
    near(rankCorrelation([10, 20, 20, 30], [5, 1, 8, 8]), 0.5);
    // without ties 1 - 6 Σd² / (n (n² - 1)), d = -1 1 -1 1 0
    near(rankCorrelation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 1 - (6 * 4) / (5 * 24));
  });

  test('does not exist for a constant or a single value', () => {
    assert.equal(rankCorrelation([1, 2, 3], [7, 7, 7]), null);
    assert.equal(rankCorrelation([1], [2]), null);
    assert.equal(rankCorrelation([], []), null);
  });

  test('uses every n-th of many values', () => {
    const many = Float32Array.from({ length: 2 ** 18 + 2 }, (_, i) => i);
    near(rankCorrelation(many, many), 1);
    // all that is left out has the opposite order
    const odd = many.map((value, i) => (i % 2 ? -value : value));
    near(rankCorrelation(many, odd), 1);
  });
});

describe('alignDepth', () => {
  const truth = Float32Array.from([0.5, 0.25, 1, 0.125, 2]);

  test('is exact for any scale and shift, whatever lies at pixels without a truth', () => {
    for (const [scale, shift] of [
      [2, -3],
      [0.01, 5],
      [-4, 1],
    ] as const) {
      const estimate = Float32Array.from(truth, (value) => (value - shift) / scale);
      const alignment = alignDepth(estimate, truth)!;
      near(alignment.scale, scale, 1e-3 * Math.abs(scale));
      near(alignment.shift, shift, 1e-3 * Math.abs(shift));
    }
    const holes = Float32Array.from([...truth, 0, -1, Number.NaN, Number.POSITIVE_INFINITY]);
    const estimate = Float32Array.from([...truth, 900, 900, 900, 900]);
    near(alignDepth(estimate, holes)!.scale, 1);
  });

  test('is the least-squares line', () => {
    // estimate 0 1 2, truth 1 3 2: slope 1/2, mean 2 at 1
    const alignment = alignDepth(Float32Array.of(0, 1, 2), Float32Array.of(1, 3, 2));
    assert.deepEqual(alignment, { scale: 0.5, shift: 1.5 });
  });

  test('takes the mean for a constant, and gives up without a truth', () => {
    const constant = new Float32Array(5).fill(0.1);
    assert.deepEqual(alignDepth(constant, truth), { scale: 0, shift: 0.775 });
    assert.equal(alignDepth(constant, new Float32Array(5)), null);
    assert.throws(() => alignDepth(constant, truth.subarray(1)), /one size, got 5 and 4/);
  });
});

describe('depthErrors', () => {
  test('finds no error in an affine transform of the truth', () => {
    const truth = Float32Array.from({ length: 64 }, (_, i) => 1 / (1 + i));
    const errors = depthErrors(
      truth.map((value) => 7 * value + 2),
      truth,
    )!;
    near(errors.absRel, 0, 1e-4);
    assert.equal(errors.delta, 1);
    near(errors.rank, 1);
    assert.equal(errors.count, 64);
  });

  test('compares distances, not inverse ones', () => {
    // the mean of 1, 1/2, 1/4, 1/4 is 1/2: distance 2 where 1, 2, 4, 4 are true
    const errors = depthErrors(new Float32Array(4).fill(3), Float32Array.of(1, 0.5, 0.25, 0.25))!;
    near(errors.absRel, (1 + 0 + 0.5 + 0.5) / 4);
    near(errors.delta, 0.25);
    assert.equal(errors.rank, null);
  });

  test('takes nothing to be farther than the farthest true point', () => {
    // the line through estimate 0 1 2 and truth 1 1 4 is 0.5 + 1.5 x, below 1 at the first pixel
    const errors = depthErrors(Float32Array.of(0, 1, 2), Float32Array.of(1, 1, 4))!;
    near(errors.absRel, (0 + 0.5 + 1 / 7) / 3);
    const below = depthErrors(Float32Array.of(-50, 0, 1, 2), Float32Array.of(1, 1, 1, 1.1))!;
    assert.ok(Number.isFinite(below.absRel));
  });

  test('tells near and far exchanged from right by the rank correlation alone', () => {
    const truth = Float32Array.from({ length: 64 }, (_, i) => 1 + i);
    const errors = depthErrors(
      truth.map((value) => -value),
      truth,
    )!;
    near(errors.absRel, 0, 1e-4);
    near(errors.rank, -1);
  });

  test('leaves out what is not known', () => {
    assert.equal(depthErrors(Float32Array.of(1, 2), Float32Array.of(0, 0)), null);
    assert.equal(depthErrors(Float32Array.of(1, 2, 3), Float32Array.of(1, 0, 2))!.count, 2);
  });
});

const size = { width: 24, height: 24, numFrames: 3 };
const AREA = size.width * size.height;
/** Inverse distance per frame, column and row. */
const depthOf = (value: (f: number, x: number, y: number) => number) =>
  Float32Array.from({ length: 3 * AREA }, (_, i) =>
    value(Math.floor(i / AREA), i % size.width, Math.floor((i % AREA) / size.width)),
  );
const ramp = depthOf((_, x) => 1 + x / 23);

describe('depthFlicker', () => {
  test('is 0 for a steady clip, and for one that moves as the truth does', () => {
    assert.equal(depthFlicker({ ...size, data: ramp }, ramp), 0);
    const rising = depthOf((f, x) => 1 + x / 23 + 0.01 * f);
    near(depthFlicker({ ...size, data: rising.map((v) => 5 * v - 3) }, rising), 0, 1e-5);
  });

  test('is the mean change that the truth does not have, as a share of its range', () => {
    // the range from the 2nd to the 98th percentile is the whole ramp, 1
    const pulsing = depthOf((f, x) => 1 + x / 23 + (f === 1 ? 0.03 : 0));
    near(depthFlicker({ ...size, data: pulsing }, ramp), 0.03, 1e-3);
    // the same, missed by a steady estimate
    near(depthFlicker({ ...size, data: ramp }, pulsing), 0.03, 1e-3);
  });

  test('does not count passing edges and unknown pixels', () => {
    const truth = depthOf((f, x, y) => {
      if (y < 4) return f === 1 ? 0 : 1;
      return x === f ? 2 : 1 + x / 23;
    });
    const estimate = depthOf((f, x, y) => (y < 4 ? f : 1 + x / 23));
    // the alignment is not exact, but the estimate stands still wherever pixels count
    near(depthFlicker({ ...size, data: estimate }, truth), 0, 1e-6);
  });

  test('does not exist for a picture, or without a truth', () => {
    const picture = { ...size, numFrames: 1, data: ramp.subarray(0, AREA) };
    assert.equal(depthFlicker(picture, picture.data), null);
    assert.equal(depthFlicker({ ...size, data: ramp }, new Float32Array(3 * AREA)), null);
  });
});

describe('depthFlickerByFlow', () => {
  const wave = (x: number, y: number) =>
    Math.round(128 + 60 * Math.sin(x / 2) * Math.cos(y / 3) + 40 * Math.sin(y / 2));
  /** A texture that moves by `speed` pixels per frame. */
  const moving = (speed: number): Frames => {
    const levels = depthOf((f, x, y) => wave(x - speed * f, y));
    const data = Uint8Array.from({ length: 9 * AREA }, (_, i) => levels[Math.floor(i / 3)]!);
    return { ...size, data };
  };

  test('is 0 for a steady clip with steady depth, and for constant depth', () => {
    assert.equal(depthFlickerByFlow({ ...size, data: ramp }, followPoints(moving(0))), 0);
    assert.equal(
      depthFlickerByFlow({ ...size, data: new Float32Array(3 * AREA) }, followPoints(moving(1))),
      0,
    );
  });

  test('is the change of depth where the picture stands still, as a share of its range', () => {
    const pulsing = depthOf((f, x) => 1 + x / 23 + (f === 1 ? 0.04 : 0));
    near(depthFlickerByFlow({ ...size, data: pulsing }, followPoints(moving(0))), 0.04, 2e-3);
  });

  test('follows what moves', () => {
    const along = depthOf((f, x) => 1 + (x - f) / 23);
    const followed = depthFlickerByFlow({ ...size, data: along }, followPoints(moving(1)))!;
    const left = depthFlickerByFlow({ ...size, data: ramp }, followPoints(moving(1)))!;
    assert.ok(followed < 0.01, `${followed}`);
    // depth that stays behind changes by one column, 1/23 of its range
    near(left, 1 / 23, 0.008);
  });

  test('is nothing for a picture, and rejects depth of another length', () => {
    const clip = moving(0);
    const picture = { ...size, numFrames: 1 };
    assert.equal(
      depthFlickerByFlow(
        { ...picture, data: ramp.subarray(0, AREA) },
        followPoints({ ...picture, data: clip.data.subarray(0, 3 * AREA) }),
      ),
      null,
    );
    assert.throws(
      () => depthFlickerByFlow({ ...picture, data: ramp.subarray(0, AREA) }, followPoints(clip)),
      /depth must be 3 frames of 24x24 as the clip, got 1 of 24x24/,
    );
  });
});
