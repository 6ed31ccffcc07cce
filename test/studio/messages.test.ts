import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { messages, say } from '../../studio/state/messages.js';

const texts = () => messages.value.map(({ text }) => text);

describe('messages', () => {
  // notes would go by themselves after some seconds
  beforeEach(() => void mock.method(globalThis, 'setTimeout', () => 0));
  afterEach(() => {
    mock.restoreAll();
    messages.value = [];
  });

  test('of problems stay, however much is said after them', () => {
    say('first problem', true);
    for (const note of ['a', 'b', 'c', 'd']) say(note);
    say('second problem', true);
    assert.deepEqual(texts(), ['first problem', 'b', 'c', 'd', 'second problem']);
  });

  test('are not repeated while they are shown', () => {
    say('a');
    say('a');
    assert.deepEqual(texts(), ['a']);
  });
});
