import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { serving } from '../serving.js';

const OWN = 'http://localhost:5173';
const { client } = serving({ origins: [OWN] });

describe('pages of an allowed origin', () => {
  const preflight = (origin: string) =>
    fetch(`${client().url}/v1/videos`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,authorization',
      },
    });

  test('may ask in JSON, with a key, and read the answer', async () => {
    const may = await preflight(OWN);
    assert.equal(may.status, 204);
    const { headers } = may;
    assert.equal(headers.get('access-control-allow-origin'), OWN);
    assert.match(headers.get('access-control-allow-methods')!, /POST/);
    assert.match(headers.get('access-control-allow-headers')!, /authorization/);
    const answer = await client().get('/v1/models', { origin: OWN });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('access-control-allow-origin'), OWN);
  });

  test('are the only ones', async () => {
    const { headers } = await preflight('https://evil.example');
    assert.equal(headers.get('access-control-allow-origin'), null);
    const answer = await client().get('/v1/models', { origin: 'https://evil.example' });
    assert.deepEqual([answer.status, answer.body.error.code], [403, 'bad_origin']);
  });
});
