import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Hono } from 'hono';
import { bodyOf, HttpError, statusOf } from '../../../src/server/errors.js';
import { COOKIE, Guard, type GuardOptions } from '../../../src/server/http/guard.js';
import { listen } from '../../../src/server/index.js';

const KEY = 'correct-horse-battery';

function guarded(options: Partial<GuardOptions> = {}) {
  const guard = new Guard({ apiKeys: [], hosts: [], origins: [], rate: 0, ...options });
  const app = new Hono();
  app.use('*', guard.check);
  app.onError((error, c) => {
    if (error instanceof HttpError) {
      for (const [name, value] of Object.entries(error.headers)) c.header(name, value);
    }
    return c.json({ error: bodyOf(error) }, statusOf(error));
  });
  app.all('*', (c) => c.text('in'));
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const response = await app.request(`http://localhost:8088${path}`, {
      headers: { host: 'localhost:8088', ...headers },
      method,
    });
    const text = await response.text();
    const code = text === 'in' ? null : (JSON.parse(text).error.code as string);
    return { status: response.status, code, headers: response.headers };
  };
  return { guard, ask };
}

describe('the guard', () => {
  test('answers by its own names alone, against DNS rebinding', async () => {
    const { ask } = guarded({ hosts: ['box.local', '192.168.0.7'] });
    for (const host of [
      'localhost',
      'localhost:8088',
      '127.0.0.1:8088',
      '[::1]:8088',
      'BOX.local:8088',
      '192.168.0.7',
    ]) {
      assert.equal((await ask('/v1/videos', { host })).status, 200, host);
    }
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example:8088',
      '10.0.0.1',
      '',
    ]) {
      assert.deepEqual([(await ask('/v1/videos', { host })).code], ['bad_host'], host);
    }
  });

  test('answers to its own pages alone, and to programs, which have none', async () => {
    const { ask } = guarded({ origins: ['http://localhost:5173'] });
    assert.equal((await ask('/v1/videos', {}, 'POST')).status, 200);
    for (const origin of ['http://localhost:8088', 'http://localhost:5173']) {
      assert.equal((await ask('/v1/videos', { origin }, 'POST')).status, 200, origin);
    }
    for (const origin of [
      'https://evil.example',
      'null',
      'http://localhost:9999',
      'http://127.0.0.1:8088',
    ]) {
      assert.equal((await ask('/v1/videos', { origin }, 'POST')).code, 'bad_origin', origin);
    }
    // a picture of another page, which sends no origin
    assert.equal(
      (
        await ask('/v1/videos/x/content', {
          'sec-fetch-site': 'cross-site',
          'sec-fetch-mode': 'no-cors',
        })
      ).code,
      'bad_origin',
    );
    // but a link leads here
    assert.equal(
      (await ask('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status,
      200,
    );
  });

  test('wants a key where one is set, except for what tells nothing', async () => {
    const { ask } = guarded({ apiKeys: ['other-key-entirely', KEY] });
    assert.equal((await ask('/v1/videos')).code, 'missing_key');
    assert.equal((await ask('/metrics')).status, 401);
    for (const path of ['/', '/assets/a.js', '/health', '/docs', '/openapi.json']) {
      assert.equal((await ask(path)).status, 200, path);
    }
    assert.equal((await ask('/v1/videos', { authorization: `Bearer ${KEY}` })).status, 200);
    for (const authorization of [
      `Bearer ${KEY}x`,
      `Bearer ${KEY.slice(1)}`,
      `Basic ${KEY}`,
      'Bearer ',
    ]) {
      assert.equal((await ask('/v1/videos', { authorization })).status, 401, authorization);
    }
  });

  test('begins sessions for pages, which end', async () => {
    const { guard, ask } = guarded({ apiKeys: [KEY] });
    assert.throws(() => guard.begin('wrong'), { message: /api_key: is not accepted/ });
    const token = guard.begin(KEY);
    const cookie = `${COOKIE}=${token}`;
    assert.equal((await ask('/v1/events', { cookie })).status, 200);
    // what the cookie does for the own page it does not for others
    assert.equal(
      (await ask('/v1/videos', { cookie, origin: 'https://evil.example' }, 'POST')).code,
      'bad_origin',
    );
    guard.end(token);
    assert.equal((await ask('/v1/events', { cookie })).status, 401);
  });

  test('lets each key ask so often a minute', async () => {
    const { ask } = guarded({ apiKeys: [KEY, 'other-key-entirely'], rate: 3 });
    const authorization = `Bearer ${KEY}`;
    for (let i = 0; i < 3; i++)
      assert.equal((await ask('/v1/videos', { authorization })).status, 200);
    const { code, headers } = await ask('/v1/videos', { authorization });
    assert.equal(code, 'rate_limited');
    assert.ok(Number(headers.get('retry-after')) >= 1);
    assert.equal(
      (await ask('/v1/videos', { authorization: 'Bearer other-key-entirely' })).status,
      200,
    );
  });
});

test('an address that others can reach needs a key', async () => {
  await assert.rejects(listen({ pipelines: ['models/mfm-mini'], host: '0.0.0.0', port: 0 }), {
    name: 'InputError',
    message:
      /^host: 0\.0\.0\.0 can be reached by others, so a key is needed; give one with `apiKeys`/,
  });
});
