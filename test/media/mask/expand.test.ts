import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { expandFrames, parseExpand } from '../../../src/media/mask/expand.js';
import { colorAt, flatFrames } from '../helpers.js';

const size = { width: 200, height: 100 };

describe('parseExpand', () => {
  test('takes shares of the side, percent and pixels', () => {
    assert.deepEqual(parseExpand('0.25', size), { left: 50, right: 50, top: 25, bottom: 25 });
    assert.deepEqual(parseExpand('all=32', size), { left: 32, right: 32, top: 32, bottom: 32 });
    assert.deepEqual(parseExpand('x=0.1', size), { left: 20, right: 20, top: 0, bottom: 0 });
    assert.deepEqual(parseExpand('y=10%', size), { left: 0, right: 0, top: 10, bottom: 10 });
    const both = { left: 64, right: 0, top: 25, bottom: 0 };
    assert.deepEqual(parseExpand('left=64, top=0.25', size), both);
    assert.deepEqual(parseExpand('right=1', size), { left: 0, right: 1, top: 0, bottom: 0 });
    assert.deepEqual(parseExpand('left=1.5', size), { left: 300, right: 0, top: 0, bottom: 0 });
  });

  test('lets the narrower name win, in any order', () => {
    const want = { left: 0, right: 16, top: 32, bottom: 32 };
    assert.deepEqual(parseExpand('left=0,x=16,all=32', size), want);
  });

  test('names what is wrong', () => {
    const rejects = (text: string, pattern: RegExp) =>
      assert.throws(
        () => parseExpand(text, size),
        (error: Error) => error instanceof InputError && pattern.test(error.message),
      );
    rejects('up=3', /must name a side \(all, x, y, left.*got "up=3"/);
    rejects('left=-3', /left: must be whole pixels.*got "-3"/);
    rejects('left=', /left: must be whole pixels.*got ""/);
    rejects('', /all: must be whole pixels.*got ""/);
    rejects('left=3,left=4', /each side once, got "left=4" as well/);
    rejects('left=64.0', /at most 4 \(times the side\), got 64\.0; write pixels as a whole/);
    rejects('0', /must add at least one pixel to 200x100/);
    rejects('x=0.001', /must add at least one pixel/);
  });
});

test('expandFrames keeps the picture, and marks the gray margins', () => {
  const clip = flatFrames(4, 3, [
    [10, 20, 30],
    [40, 50, 60],
  ]);
  const { frames, mask } = expandFrames(clip, { left: 1, right: 2, top: 0, bottom: 3 });
  assert.deepEqual([frames.width, frames.height, frames.numFrames], [7, 6, 2]);
  assert.deepEqual([mask.width, mask.height, mask.numFrames], [7, 6, 2]);
  for (let frame = 0; frame < 2; frame++) {
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 7; x++) {
        const inside = x >= 1 && x < 5 && y < 3;
        const want = inside ? colorAt(clip, frame) : [128, 128, 128];
        assert.deepEqual(colorAt(frames, frame, x, y), want);
        assert.equal(mask.data[(frame * 6 + y) * 7 + x], inside ? 0 : 1);
      }
    }
  }
});
