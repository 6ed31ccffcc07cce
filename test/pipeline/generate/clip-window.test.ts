import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames } from '../../../src/media/index.js';
import { ClipWindow, joinFrames, padFrames } from '../../../src/pipeline/generate/clip-window.js';

/** Frame i is all i. */
function counting(numFrames: number, from = 0): Frames {
  const data = new Uint8Array(numFrames * 12).map((_, i) => from + Math.floor(i / 12));
  return { width: 2, height: 2, numFrames, data };
}

const numbers = ({ data }: Frames): number[] => [...data].filter((_, i) => i % 12 === 0);
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

/** A reader of a clip that keeps count of what was asked of it. */
function countedReader(numFrames: number) {
  const reader = {
    read: 0,
    async read_(count: number) {
      const end = Math.min(numFrames, reader.read + count);
      const frames = end > reader.read ? counting(end - reader.read, reader.read) : null;
      reader.read = end;
      return frames;
    },
  };
  return reader;
}

describe('ClipWindow', () => {
  test('gives every part of a clip in order, fewer at the end and then none', async () => {
    const reader = countedReader(12);
    const window = new ClipWindow({ read: (count) => reader.read_(count) });
    assert.deepEqual(numbers((await window.take(0, 5))!), range(0, 5));
    assert.deepEqual(numbers((await window.take(4, 5))!), range(4, 9));
    assert.deepEqual(numbers((await window.take(8, 5))!), range(8, 12));
    assert.equal(await window.take(12, 5), null);
  });

  test('reads no further than is asked, and never holds more', async () => {
    const reader = countedReader(200);
    const window = new ClipWindow({ read: (count) => reader.read_(count) });
    for (let start = 0; start < 190; start += 5) {
      const part = (await window.take(start, 9))!;
      assert.equal(reader.read, Math.min(200, start + 9));
      assert.equal(await window.has(start + 9), start + 9 < 200);
      // the bytes behind what it gives are those of this window, not of all before
      assert.ok(part.data.buffer.byteLength <= 10 * 12, `${part.data.buffer.byteLength} bytes`);
    }
  });

  test('counts what there is as far as it is asked', async () => {
    const reader = countedReader(7);
    const window = new ClipWindow({ read: (count) => reader.read_(count) });
    assert.equal(await window.count(5), 5);
    assert.equal(reader.read, 5);
    assert.equal(await window.count(50), 7);
    assert.equal(await window.has(6), true);
    assert.equal(await window.has(7), false);
  });

  test('goes over a clip in memory in the same way', async () => {
    const window = ClipWindow.over(counting(11));
    assert.deepEqual(numbers((await window.take(0, 5))!), range(0, 5));
    assert.deepEqual(numbers((await window.take(4, 5))!), range(4, 9));
    assert.equal(await window.has(11), false);
    assert.deepEqual(numbers((await window.take(8, 5))!), range(8, 11));
  });
});

describe('joinFrames and padFrames', () => {
  test('join clips, whose copies are copies', () => {
    const joined = joinFrames([counting(2), counting(3, 2)]);
    assert.deepEqual(numbers(joined), range(0, 5));
    const copy = joined.data.slice();
    copy.fill(99);
    assert.deepEqual(numbers(joined), range(0, 5));
  });

  test('the last frame fills up to the length that is asked for', () => {
    assert.deepEqual(numbers(padFrames(counting(3), 5)), [0, 1, 2, 2, 2]);
    const enough = counting(5);
    assert.equal(padFrames(enough, 5), enough);
  });
});
