import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { serving } from '../serving.js';

const { client } = serving();

/** Sends bytes as they are. */
async function send(text: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(client().url);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    answer += piece;
  });
  // a long request may be cut off before all of it is sent
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.end(text);
  await closed;
  const [head, body] = answer.split('\r\n\r\n') as [string, string];
  return { status: Number(head.split(' ')[1]), body };
}

/** Requests of one connection each, which a client may send for what it takes for one. */
const request = (line: string, ...headers: string[]) =>
  [`${line} HTTP/1.1`, 'host: 127.0.0.1', 'connection: close', ...headers, '', ''].join('\r\n');

describe('a request', () => {
  test('with long headers or a long line is told so, and the server lives', async () => {
    const long = (bytes: number) => 'a'.repeat(bytes);
    for (const text of [
      request('GET /health', `x-long: ${long(17_000)}`),
      request('GET /health', `x-long: ${long(1_000_000)}`),
      request('GET /health', ...Array.from({ length: 2000 }, (_, i) => `x-${i}: ${long(10)}`)),
      request(`GET /health?q=${long(17_000)}`),
      request(`GET /${long(1_000_000)}`),
    ]) {
      const { status, body } = await send(text);
      assert.equal(status, 431);
      const { type, code, message } = JSON.parse(body).error;
      assert.deepEqual([type, code], ['invalid_request_error', 'headers_too_large']);
      assert.equal(
        message,
        'the address and the headers have more than 16384 bytes; send what is long in the body',
      );
    }
    // what is long, but not too long, is answered
    assert.equal((await send(request('GET /health', `x-long: ${long(15_000)}`))).status, 200);
    assert.equal((await send(request(`GET /v1/${long(15_000)}`))).status, 404);
    assert.equal((await client().get('/health')).status, 200);
  });

  test('that is no HTTP is told so', async () => {
    for (const text of [
      'hello\r\n\r\n',
      'GET /health HTTP/1.1\r\n\r\n',
      'GET /health HTTP/1.1\r\nno header\r\n\r\n',
      'GET /health HTTP/1.1\r\nhost: a b\r\n\r\n',
    ]) {
      const { status, body } = await send(text);
      assert.equal(status, 400, text);
      assert.match(
        JSON.parse(body).error.message,
        /^the request is not HTTP\/1\.1 \(.+\); send it/,
      );
    }
    assert.equal((await client().get('/health')).status, 200);
  });
});
