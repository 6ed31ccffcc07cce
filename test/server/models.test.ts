/** A server with two pipelines. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openServer } from '../../src/server/index.js';
import { temporaryFolder } from '../temp-folder.js';
import { type Json, MODEL, serving } from './serving.js';

const folder = temporaryFolder();
const [second, namesake] = ['second', 'other/mfm-mini'].map((name) => join(folder, name));
for (const path of [second!, namesake!]) cpSync(MODEL, path, { recursive: true });

const { client } = serving({ pipelines: [MODEL, second!] });
const LONG = { task: 't2i', prompt: 'a red cube', seed: 7, num_inference_steps: 5000 };
const loaded = async () => {
  const { body } = await client().get('/v1/models');
  return body.data.filter((model: Json) => model.loaded).map(({ id }: Json) => id);
};

describe('two pipelines', () => {
  test('are loaded in turn, and what is said to be loaded is', async () => {
    for (const id of ['second', 'mfm-mini']) {
      assert.equal((await client().post(`/v1/models/${id}/load`)).status, 200);
      assert.deepEqual(await loaded(), [id]);
    }
    await client().post('/v1/models/second/unload');
    assert.deepEqual(await loaded(), ['mfm-mini']);
    await client().post('/v1/models/mfm-mini/unload');
    assert.deepEqual(await loaded(), []);
    assert.equal((await client().get('/health')).body.engine, 'stopped');
  });

  test('are used by requests at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        client().post('/v1/plan', {
          task: 't2i',
          prompt: 'a red cube',
          model: ['mfm-mini', 'second'][i % 2],
        }),
      ),
    );
    for (const { status, body } of answers) assert.equal(status, 200, JSON.stringify(body));
  });

  test('stay as a job needs them until it has ended', async () => {
    const { body: job } = await client().post('/v1/videos', LONG);
    await client().until(job.id, 'in_progress');
    await client().events(`/v1/videos/${job.id}/events`, {
      last: ({ data }) => data.video.step > 2,
    });
    for (const path of ['/v1/models/second/load', '/v1/models/mfm-mini/unload']) {
      const { status, body } = await client().post(path);
      assert.deepEqual([status, body.error.code], [409, 'wrong_state'], path);
      assert.match(body.error.message, /is being made; wait for it, or cancel it$/);
    }
    // this one is there already
    assert.equal((await client().post('/v1/models/mfm-mini/load')).body.loaded, true);
    assert.equal((await client().post(`/v1/videos/${job.id}/cancel`)).body.status, 'cancelled');
  });

  test('an engine that is unloaded has no share in the job that follows', async () => {
    for (let i = 0; i < 3; i++) {
      const [, { body: job }] = await Promise.all([
        client().post('/v1/models/mfm-mini/unload'),
        client().post('/v1/videos', { ...LONG, num_inference_steps: 2 }),
      ]);
      await client().until(job.id, 'completed');
    }
  });

  test('with one name are refused', async () => {
    const server = openServer({ pipelines: [MODEL, namesake!], folder: join(folder, 'server') });
    await assert.rejects(server, {
      name: 'InputError',
      message: /is called "mfm-mini" in requests, and so is .*; rename one of the folders$/,
    });
  });
});
