import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { depthFlicker, depthFlickerByFlow, followPoints } from '../../../src/eval/metrics/index.js';
import type { Frames } from '../../../src/media/index.js';

const near = (value: number | null | undefined, expected: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(value! - expected) < tolerance, `${value} is not ${expected}`);

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
