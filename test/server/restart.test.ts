import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { VideoJob } from '../../src/server/schemas/job.js';
import { type Json, MODEL, serving } from './serving.js';

const { client, server, restart } = serving({ cancelMs: 500 });

const make = async (body: Json): Promise<VideoJob> => {
  const { status, body: job } = await client().post<VideoJob>('/v1/videos', body);
  assert.equal(status, 200, JSON.stringify(job));
  return job;
};
const picture = (seed: number) => ({
  task: 't2i',
  prompt: 'a red cube',
  seed,
  num_inference_steps: 40,
});
const content = async (id: string) => (await client().bytes(`/v1/videos/${id}/content`)).bytes;
/** What the disk says of a job. */
const stored = (id: string) =>
  JSON.parse(readFileSync(join(server().folder, 'jobs', id, 'job.json'), 'utf8')) as {
    status: string;
  };

describe('a restart', () => {
  test('amid a queue loses nothing: what waited goes on, what was made begins again, to equal bytes', async () => {
    const whole: Buffer[] = [];
    for (const seed of [1, 2, 3]) {
      const { id } = await make(picture(seed));
      await client().until(id, 'completed');
      whole.push(await content(id));
    }
    const ids: string[] = [];
    for (const seed of [1, 2, 3]) ids.push((await make(picture(seed))).id);
    await client().events(`/v1/videos/${ids[0]}/events`, {
      last: ({ data }) => data.video.step > 2,
    });
    assert.equal(stored(ids[0]!).status, 'in_progress');
    await client().post('/v1/queue/reorder', { ids: [ids[2]] });
    await restart();
    const { body } = await client().get('/v1/queue');
    assert.equal(body.paused, false);
    for (const id of ids) await client().until(id, 'completed');
    const jobs = await Promise.all(
      ids.map(async (id) => (await client().get<VideoJob>(`/v1/videos/${id}`)).body),
    );
    assert.deepEqual(
      jobs.map(({ attempts }) => attempts),
      [2, 1, 1],
    );
    // the order that was asked for holds, too
    assert.ok(jobs[2]!.started_at! <= jobs[1]!.started_at!);
    for (const [i, id] of ids.entries()) assert.deepEqual(await content(id), whole[i]);
  });

  test('keeps a queue that is paused, and idempotency keys', async () => {
    await client().post('/v1/queue/pause');
    const headers = { 'idempotency-key': 'kept' };
    const { body: job } = await client().post<VideoJob>('/v1/videos', picture(5), headers);
    await restart();
    assert.ok((await client().get('/v1/queue')).body.paused);
    assert.equal((await client().get(`/v1/videos/${job.id}`)).body.status, 'queued');
    assert.equal((await client().post('/v1/videos', picture(5), headers)).body.id, job.id);
    await client().post('/v1/queue/resume');
    await client().until(job.id, 'completed');
  });

  test('tells those who wait, and goes on with what they wait for', async () => {
    const waiting = client().post('/v1/videos/sync', picture(6));
    const id = await new Promise<string>((resolve) => {
      const look = async () => {
        const { body } = await client().get('/v1/queue');
        if (body.running) resolve(body.running.id);
        else setTimeout(look, 10);
      };
      void look();
    });
    await restart();
    const { status, body } = await waiting;
    assert.deepEqual([status, body.error.code], [503, 'closing']);
    await client().until(id, 'completed');
  });

  test('finds a folder in use by another server', async () => {
    const { openServer } = await import('../../src/server/index.js');
    await assert.rejects(openServer({ pipelines: [MODEL], folder: server().folder }), {
      name: 'JobError',
      message: /is used by another server \(process \d+\); end that, or name another folder/,
    });
  });
});

describe('an engine that dies', () => {
  test('fails one job, with a sentence, and the next has a new engine', async () => {
    const { id } = await make({ ...picture(1), num_inference_steps: 5000 });
    const next = await make(picture(2));
    await client().events(`/v1/videos/${id}/events`, { last: ({ data }) => data.video.step > 2 });
    const pid = server().enginePid!;
    process.kill(pid, 'SIGKILL');
    const failed = await client().until(id, 'failed');
    assert.deepEqual([failed.error!.type, failed.error!.code], ['server_error', 'engine_died']);
    assert.match(
      failed.error!.message,
      /^the engine ended \(SIGKILL\).*; if nobody ended it, the system did so for lack of memory/,
    );
    await client().until(next.id, 'completed');
    assert.notEqual(server().enginePid, pid);
    assert.equal(stored(id).status, 'failed');
  });

  test('is killed if it does not stop by itself', async () => {
    const { id } = await make({ ...picture(1), num_inference_steps: 5000 });
    await client().until(id, 'in_progress');
    // a process that is stopped hears nothing
    process.kill(server().enginePid!, 'SIGSTOP');
    const { body } = await client().post<VideoJob>(`/v1/videos/${id}/cancel`);
    assert.equal(body.status, 'cancelled');
    await client().until((await make(picture(3))).id, 'completed');
  });
});
