import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  gaps,
  lengthen,
  moveTo,
  type Placed,
  placeFor,
  refit,
} from '../../studio/logic/timeline.js';

const part = (id: string, at: number, length: number, longest: number | null = null): Placed => ({
  id,
  at,
  length,
  longest,
});
const spans = (parts: readonly Placed[]) =>
  parts.map(({ id, at, length }) => `${id}@${at}+${length}`);

describe('the time line of a mixture', () => {
  test('knows which frames are free', () => {
    assert.deepEqual(gaps([part('b', 6, 2), part('a', 0, 3)], 10), [
      { at: 3, length: 3 },
      { at: 8, length: 2 },
    ]);
    assert.deepEqual(gaps([part('a', 0, 10)], 10), []);
  });

  test('puts a new part where it is dropped, or beside what lies there', () => {
    const parts = [part('a', 4, 3)];
    assert.deepEqual(placeFor(parts, 17, { wanted: 10, length: 2 }), { at: 10, length: 2 });
    assert.deepEqual(placeFor(parts, 17, { wanted: 5, length: 2 }), { at: 7, length: 2 });
    assert.deepEqual(placeFor(parts, 17, { wanted: 3, length: 2 }), { at: 2, length: 2 });
    assert.deepEqual(placeFor(parts, 17, { wanted: 16, length: 2 }), { at: 15, length: 2 });
  });

  test('cuts a part that no gap can hold, and has no place for one if all is known', () => {
    assert.deepEqual(placeFor([part('a', 3, 4)], 9, { wanted: 0, length: 5 }), {
      at: 0,
      length: 3,
    });
    assert.equal(placeFor([part('a', 0, 9)], 9, { wanted: 0, length: 1 }), null);
  });

  test('moves a part up to its neighbour, and over it where there is room', () => {
    const parts = [part('a', 0, 2), part('b', 5, 3)];
    assert.deepEqual(spans(moveTo(parts, 'a', 4, 12)), ['a@3+2', 'b@5+3']);
    assert.deepEqual(spans(moveTo(parts, 'a', 7, 12)), ['a@8+2', 'b@5+3']);
    assert.deepEqual(spans(moveTo(parts, 'b', -4, 12)), ['a@0+2', 'b@2+3']);
  });

  test('lengthens a part up to the next one, the end, or what its clip has', () => {
    const parts = [part('a', 0, 1), part('b', 5, 1, 4)];
    assert.deepEqual(spans(lengthen(parts, 'a', 99, 12)), ['a@0+5', 'b@5+1']);
    assert.deepEqual(spans(lengthen(parts, 'b', 99, 12)), ['a@0+1', 'b@5+4']);
    assert.deepEqual(spans(lengthen(parts, 'b', 0, 12)), ['a@0+1', 'b@5+1']);
  });

  test('keeps a part at the end there when the clip changes its length', () => {
    const parts = [part('a', 0, 1), part('b', 16, 1)];
    assert.deepEqual(spans(refit(parts, 17, 33)), ['a@0+1', 'b@32+1']);
    assert.deepEqual(spans(refit(parts, 17, 5)), ['a@0+1', 'b@4+1']);
    assert.deepEqual(spans(refit(parts, 17, 1)), ['a@0+1']);
  });

  test('never lets parts overlap, whatever is done', () => {
    let parts = [part('a', 0, 2), part('b', 4, 3), part('c', 9, 1)];
    let state = 1;
    const draw = (most: number) => {
      state = (state * 48271) % 0x7fffffff;
      return state % most;
    };
    for (let i = 0; i < 300; i++) {
      const id = 'abc'[draw(3)]!;
      const to = draw(16) - 2;
      parts = draw(2) ? moveTo(parts, id, to, 12) : lengthen(parts, id, to, 12);
      const known = parts.flatMap(({ at, length }) => Array.from({ length }, (_, k) => at + k));
      assert.equal(new Set(known).size, known.length);
      assert.ok(known.every((frame) => frame >= 0 && frame < 12));
    }
  });
});
