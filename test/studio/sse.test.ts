import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventParser } from '../../studio/logic/sse.js';

const STREAM =
  'retry: 1000\n\n: ping\n\nid: b-1\nevent: queued\ndata: {"a":1}\n\nid: b-2\r\nevent: progress\r\ndata: one\r\ndata: two\r\n\r\ndata:bare\n\n';

const EVENTS = [
  { id: 'b-1', type: 'queued', data: '{"a":1}' },
  { id: 'b-2', type: 'progress', data: 'one\ntwo' },
  { id: 'b-2', type: 'message', data: 'bare' },
];

describe('eventParser', () => {
  test('reads events, and passes over comments', () => {
    assert.deepEqual(eventParser().push(STREAM), EVENTS);
  });

  test('reads the same events wherever the stream is cut', () => {
    for (let at = 1; at < STREAM.length; at++) {
      const parser = eventParser();
      const events = [...parser.push(STREAM.slice(0, at)), ...parser.push(STREAM.slice(at))];
      assert.deepEqual(events, EVENTS, `cut at ${at}`);
    }
  });

  test('keeps an event that is not complete to itself', () => {
    assert.deepEqual(eventParser().push('event: queued\ndata: 1\n'), []);
  });
});
