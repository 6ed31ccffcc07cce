import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wordsIn } from '../../src/data/words.js';

test('words are counted with spaces and without', () => {
  for (const [text, count] of [
    ['', 0],
    [' \n', 0],
    ['cat', 1],
    [' sks  dog\n', 2],
    ['a well-kept garden', 3],
    ['ein großer Würfel', 3],
  ] as const) {
    assert.equal(wordsIn(text), count, text);
  }
  for (const text of ['一只红色的猫坐在椅子上', '赤い猫が椅子に座っている', 'แมวสีแดงนั่งบนเก้าอี้']) {
    assert.ok(wordsIn(text) >= 3, `${text}: ${wordsIn(text)}`);
  }
});
