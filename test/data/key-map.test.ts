import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KeyMap } from '../../src/data/key-map.js';
import { keyOf } from '../../src/data/store.js';

describe('KeyMap', () => {
  test('keeps, renews and forgets as a map does, over keys of all beginnings', () => {
    const map = new KeyMap<number>();
    const plain = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const key = keyOf(i % 2000);
      assert.deepEqual([map.get(key), map.has(key)], [plain.get(key), plain.has(key)]);
      map.set(key, i);
      plain.set(key, i);
      const old = keyOf(i - 700);
      if (i % 3 === 0) assert.equal(map.delete(old), plain.delete(old));
      assert.equal(map.size, plain.size);
    }
  });
});
