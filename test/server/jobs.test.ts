import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { open } from '../../src/index.js';
import type { VideoJob } from '../../src/server/schemas/job.js';
import { noFfmpeg } from '../media/helpers.js';
import { until } from '../until.js';
import { type Event, FEW, type Json, MODEL, serving } from './serving.js';

const { root, client, server } = serving({ maxQueue: 4, maxPixels: 256 * 256, maxFrames: 64 });

const PICTURE = { task: 't2i', prompt: 'a red cube', ...FEW };
/** Takes minutes, if nobody stops it. */
const LONG = { task: 't2i', prompt: 'a red cube', seed: 7, num_inference_steps: 5000 };

const make = async (body: Json, headers?: Record<string, string>): Promise<VideoJob> => {
  const answer = await client().post<VideoJob>('/v1/videos', body, headers);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};
const made = async (body: Json) => client().until((await make(body)).id, 'completed');
const content = async (id: string) => (await client().bytes(`/v1/videos/${id}/content`)).bytes;

describe('a job', () => {
  test('is queued, makes what the library makes, and keeps it with its settings', async () => {
    const job = await make(PICTURE);
    assert.match(job.id, /^video_[0-9a-f]{24}$/);
    assert.deepEqual(
      [job.object, job.status, job.task, job.result],
      ['video', 'queued', 't2i', 'image'],
    );
    assert.deepEqual(
      [job.size, job.seed, job.prompt, job.model],
      ['64x64', '7', 'a red cube', 'mfm-mini'],
    );
    const done = await client().until(job.id, 'completed');
    assert.deepEqual(
      [done.progress, done.content_type, done.attempts, done.error],
      [100, 'image/png', 1, null],
    );
    assert.ok(done.completed_at! >= done.created_at && done.inference_time_s! > 0);
    await using mfm = await open(MODEL);
    const path = join(root, 'same.png');
    await mfm.generate('t2i', { prompt: 'a red cube', seed: 7, numInferenceSteps: 2 }).save(path);
    const pixels = async (bytes: Buffer) => (await sharp(bytes).raw().toBuffer()).toString('hex');
    const bytes = await content(job.id);
    assert.equal(await pixels(bytes), await pixels(readFileSync(path)));
    assert.equal(bytes.length, done.bytes);
    const { body: settings } = await client().get(`/v1/videos/${job.id}/content?variant=settings`);
    assert.deepEqual([settings.task, settings.seed, settings.numInferenceSteps], ['t2i', 7, 2]);
  });

  test('tells what happens, from beginning to end, with previews', { skip: noFfmpeg }, async () => {
    const { id } = await make({
      task: 't2v',
      prompt: 'a red cube moves left',
      seed: 7,
      num_inference_steps: 24,
    });
    const events = await client().events(`/v1/videos/${id}/events`);
    const names = events.map(({ name }) => name);
    assert.ok(['queued', 'started'].includes(names[0]!));
    assert.equal(names.at(-1), 'completed');
    const states = events.map(({ data }) => data.video.status);
    const order = ['queued', 'in_progress', 'completed'];
    assert.deepEqual(
      states,
      [...states].sort((a, b) => order.indexOf(a) - order.indexOf(b)),
    );
    const progress = events.map(({ data }) => data.video.progress);
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
    );
    assert.ok(
      events.some(({ data }) => data.video.stage === 'steps' && data.video.eta_seconds > 0),
    );
    const previews = events.filter(({ name }) => name === 'preview');
    assert.ok(previews.length > 0);
    for (const { data } of previews) {
      const bytes = Buffer.from(data.preview.b64_json, 'base64');
      assert.ok(bytes.length <= 20_000);
      const { format, width, height } = await sharp(bytes).metadata();
      assert.deepEqual([format, width, height], ['webp', 8, 8]);
    }
    // who comes later is told how it ended
    const again = await client().events(`/v1/videos/${id}/events`);
    assert.deepEqual(
      again.map(({ name }) => name),
      ['completed'],
    );

    const job = await client().until(id, 'completed');
    assert.deepEqual(
      [job.seconds, job.num_frames, job.fps, job.content_type],
      ['2.125', 17, 8, 'video/mp4'],
    );
    const sheet = await client().bytes(`/v1/videos/${id}/content?variant=spritesheet`);
    const { columns, rows, frames, width, height } = job.spritesheet!;
    assert.equal(frames, 17);
    const facts = await sharp(sheet.bytes).metadata();
    assert.deepEqual(
      [facts.format, facts.width, facts.height],
      ['webp', columns * width, rows * height],
    );
    const thumbnail = await client().bytes(`/v1/videos/${id}/content?variant=thumbnail`);
    assert.equal(thumbnail.headers.get('content-type'), 'image/webp');
    assert.equal((await sharp(thumbnail.bytes).metadata()).width, 64);
  });

  test('is answered in ranges, and not again if it has not changed', async () => {
    const { id, bytes } = await made(PICTURE);
    const path = `/v1/videos/${id}/content`;
    const whole = await content(id);
    const part = await client().bytes(path, { range: 'bytes=10-19' });
    assert.deepEqual(
      [part.status, part.headers.get('content-range')],
      [206, `bytes 10-19/${bytes}`],
    );
    assert.deepEqual(part.bytes, whole.subarray(10, 20));
    const last = await client().bytes(path, { range: 'bytes=-5' });
    assert.deepEqual(last.bytes, whole.subarray(-5));
    assert.equal((await client().bytes(path, { range: `bytes=${bytes}-` })).status, 416);
    const etag = part.headers.get('etag')!;
    assert.equal((await client().bytes(path, { 'if-none-match': etag })).status, 304);
  });

  test('is repeated with another seed, and by its own request', async () => {
    const first = await made(PICTURE);
    const { body: other } = await client().post<VideoJob>(`/v1/videos/${first.id}/remix`, {
      seed: 8,
    });
    assert.deepEqual(
      [other.seed, other.prompt, other.remixed_from_video_id],
      ['8', 'a red cube', first.id],
    );
    await client().until(other.id, 'completed');
    assert.notDeepEqual(await content(other.id), await content(first.id));
    const same = await made(first.request);
    assert.deepEqual(await content(same.id), await content(first.id));
    const { body: random } = await client().post<VideoJob>(`/v1/videos/${first.id}/remix`, {
      seed: null,
    });
    assert.match(random.seed, /^\d+$/);
    await client().until(random.id, 'completed');
  });

  test('is repeated with another length, in frames or in seconds', async () => {
    await client().post('/v1/queue/pause');
    const first = await make({ task: 't2v', prompt: 'a red cube', num_frames: 9, ...FEW });
    const remixed = async (changes: Json) =>
      (await client().post<VideoJob>(`/v1/videos/${first.id}/remix`, changes)).body;
    const longer = await remixed({ seconds: 2 });
    assert.deepEqual([longer.num_frames, longer.request.num_frames], [16, undefined]);
    const { status, body } = await client().post('/v1/videos', {
      ...first.request,
      seconds: '2',
    });
    assert.deepEqual([status, body.error.param], [400, 'seconds']);
    for (const { id } of [longer, first]) await client().remove(`/v1/videos/${id}`);
    await client().post('/v1/queue/resume');
  });

  test('takes seeds of 64 bits', async () => {
    const job = await made({ ...PICTURE, seed: '18446744073709551615' });
    assert.equal(job.seed, '18446744073709551615');
    const { status, body } = await client().post('/v1/videos', {
      ...PICTURE,
      seed: '18446744073709551616',
    });
    assert.deepEqual([status, body.error.param], [400, 'seed']);
  });

  test('that a client waits for is answered with its bytes, and cancelled if the client leaves', async () => {
    const response = await fetch(`${client().url}/v1/videos/sync`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(PICTURE),
    });
    const id = response.headers.get('x-video-id')!;
    assert.equal(response.headers.get('content-type'), 'image/png');
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), await content(id));
    const stop = new AbortController();
    const leaving = fetch(`${client().url}/v1/videos/sync`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(LONG),
      signal: stop.signal,
    });
    const running = await until(async () => (await client().get('/v1/queue')).body.running);
    stop.abort();
    await assert.rejects(leaving);
    await client().until(running.id, 'cancelled');
  });
});

describe('cancelling', () => {
  test('stops the engine in the middle before it answers, and the next job begins', async () => {
    const { id } = await make(LONG);
    await client().until(id, 'in_progress');
    await client().events(`/v1/videos/${id}/events`, { last: ({ data }) => data.video.step > 2 });
    const next = await make(PICTURE);
    const { status, body } = await client().post<VideoJob>(`/v1/videos/${id}/cancel`);
    assert.deepEqual([status, body.status, body.stage], [200, 'cancelled', null]);
    const done = await client().until(next.id, 'completed');
    assert.equal(done.attempts, 1);
    // a second time it is cancelled still, and there is no result
    assert.equal((await client().post(`/v1/videos/${id}/cancel`)).body.status, 'cancelled');
    const none = await client().get(`/v1/videos/${id}/content`);
    assert.deepEqual([none.status, none.body.error.code], [409, 'wrong_state']);
    assert.equal(none.body.error.hint, `ask for it again with POST /v1/videos/${id}/remix`);
    const preview = await client().get(`/v1/videos/${id}/content?variant=preview`);
    assert.equal(preview.body.error.message, none.body.error.message);
    const input = await client().post('/v1/plan', { task: 'icolor', inputs: [{ video_id: id }] });
    assert.deepEqual([input.status, input.body.error.hint], [409, 'name another']);
    const late = await client().post(`/v1/videos/${next.id}/cancel`);
    assert.deepEqual([late.status, late.body.error.code], [409, 'wrong_state']);
  });

  test('takes a waiting job out of the queue', async () => {
    const { id: first } = await make(LONG);
    const { id } = await make(PICTURE);
    assert.equal((await client().post(`/v1/videos/${id}/cancel`)).body.status, 'cancelled');
    const { body } = await client().get('/v1/queue');
    assert.deepEqual(body.data, []);
    await client().post(`/v1/videos/${first}/cancel`);
  });

  test('comes before deletion, which leaves nothing', async () => {
    const { id } = await make(LONG);
    await client().until(id, 'in_progress');
    const { body } = await client().remove(`/v1/videos/${id}`);
    assert.deepEqual(body, { id, object: 'video.deleted', deleted: true });
    assert.equal((await client().get(`/v1/videos/${id}`)).status, 404);
    assert.ok(!existsSync(join(server().folder, 'jobs', id)));
  });
});

describe('the queue', () => {
  test('is paused, put into another order, resumed, and says who is next', async () => {
    await client().post('/v1/queue/pause');
    const ids: string[] = [];
    for (const seed of [1, 2, 3]) ids.push((await make({ ...PICTURE, seed })).id);
    const [one, two, three] = ids as [string, string, string];
    const { body } = await client().post('/v1/queue/reorder', { ids: [three] });
    assert.deepEqual(
      body.data.map(({ id }: Json) => id),
      [three, one, two],
    );
    assert.deepEqual(
      body.data.map((job: Json) => job.queue_position),
      [0, 1, 2],
    );
    assert.ok(body.paused && body.running === null);
    const wrong = await client().post('/v1/queue/reorder', {
      ids: ['video_000000000000000000000000'],
    });
    assert.deepEqual([wrong.status, wrong.body.error.param], [400, 'ids']);
    const [begin] = await client().events('/v1/events', { last: () => true });
    await client().post('/v1/queue/resume');
    await client().until(two, 'completed');
    const events = await client().events('/v1/events', {
      headers: { 'last-event-id': begin!.id! },
      last: ({ name, data }: Event) => name === 'completed' && data.video.id === two,
    });
    const started = events
      .filter(({ name }) => name === 'started')
      .map(({ data }) => data.video.id);
    assert.deepEqual(started, [three, one, two]);
  });

  test('refuses more jobs than it may hold', async () => {
    await client().post('/v1/queue/pause');
    const jobs = await Promise.all([1, 2, 3, 4].map((seed) => make({ ...PICTURE, seed })));
    const { status, headers, body } = await client().post('/v1/videos', PICTURE);
    assert.deepEqual(
      [status, body.error.code, headers.get('retry-after')],
      [429, 'queue_full', '10'],
    );
    for (const { id } of jobs) await client().remove(`/v1/videos/${id}`);
    await client().post('/v1/queue/resume');
  });

  test('makes one job of a request that is sent twice with one key', async () => {
    const headers = { 'idempotency-key': 'one' };
    const [a, b] = await Promise.all([make(PICTURE, headers), make(PICTURE, headers)]);
    assert.equal(a.id, b.id);
    await client().until(a.id, 'completed');
    assert.equal((await make(PICTURE, headers)).id, a.id);
    const other = await client().post('/v1/videos', { ...PICTURE, seed: 9 }, headers);
    assert.deepEqual([other.status, other.body.error.code], [409, 'idempotency_conflict']);
  });
});

describe('events', () => {
  test('go on after the last one that a reader has had', async () => {
    const { id } = await make(PICTURE);
    const all = await client().events(`/v1/videos/${id}/events`);
    await client().until(id, 'completed');
    const job = await made({ ...PICTURE, seed: 11 });
    const live = await client().events('/v1/events', {
      headers: { 'last-event-id': all.at(-1)!.id! },
      last: ({ name, data }: Event) => name === 'completed' && data.video.id === job.id,
    });
    assert.ok(live.every(({ data }) => data.video.id === job.id));
    assert.equal(live[0]!.name, 'queued');
    // the middle of what is known: the rest comes, each event once
    const rest = await client().events('/v1/events', {
      headers: { 'last-event-id': live[1]!.id! },
      last: ({ name }) => name === 'completed',
    });
    assert.deepEqual(
      rest.map((event) => event.id),
      live.slice(2).map((event) => event.id),
    );
  });

  test('of another start are not known: the reader is told to look again', async () => {
    for (const query of ['', '?last_event_id=0badf00d-5']) {
      const [first] = await client().events(`/v1/events${query}`, { last: () => true });
      assert.equal(first!.name, 'resync');
    }
  });
});

describe('a request', () => {
  const refused = async (body: Json, status: number, param: string | null, message: RegExp) => {
    const before = readdirSync(join(server().folder, 'jobs'));
    const answer = await client().post('/v1/videos', body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.equal(answer.body.error.param, param);
    assert.match(answer.body.error.message, message);
    assert.deepEqual(readdirSync(join(server().folder, 'jobs')), before, 'nothing is left');
  };

  test('is refused in words, whatever is wrong with a value', async () => {
    const seed = 'must be a whole number from 0, or its digits as text';
    const seconds = 'must be a number of seconds above 0, such as 4 or "2.5"';
    for (const [field, value, message] of [
      ['seconds', '"-2"', seconds],
      ['seconds', '"0"', seconds],
      ['seed', '"1.5"', seed],
      ['seed', 'true', seed],
      ['seed', '18446744073709551615', 'is too large to be exact as a number; write it as text'],
      ['size', '"wide"', 'must be WIDTHxHEIGHT in pixels, such as "640x352"'],
    ] as const) {
      const response = await fetch(`${client().url}/v1/videos`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{ "task": "t2v", "prompt": "x", "${field}": ${value} }`,
      });
      const { error } = (await response.json()) as Json;
      assert.deepEqual([error.param, error.message], [field, `${field}: ${message}`]);
    }
    const box = { x: 'left', y: 0, width: 9, height: 9 };
    const masked = await client().post('/v1/plan', { task: 'iinp', mask: { box } });
    const share = 'mask.box.x: must be a number of pixels, or a share such as "25%"';
    assert.equal(masked.body.error.message, share);
    for (const path of ['runs/..%2f..%2fx/metrics', 'runs/...', 'runs/x/samples/a%20b']) {
      const { status, body } = await client().get(`/v1/${path}`);
      assert.equal(status, 404);
      assert.match(
        body.error.message,
        /must be a name of up to 200 letters, digits, -, _ and \.\)/,
      );
    }
    const job = await client().get('/v1/fine_tuning/jobs/x');
    assert.match(job.body.error.message, /must be the id of a fine-tuning job/);
  });

  test('that cannot be made is refused at once, with the sentence of the library or of the schema', async () => {
    await refused(
      { task: 'vinp', prompt: 'x' },
      400,
      'inputs',
      /^vinp: needs a clip; give one with `inputs: \[FILE\]`/,
    );
    await refused({ task: 't2i' }, 400, 'prompt', /needs a prompt/);
    await refused({ task: 'nothing' }, 400, 'task', /there is no "nothing"; name one of t2i/);
    await refused(
      { ...PICTURE, num_frames: 5 },
      400,
      'num_frames',
      /makes an image; leave out `num_frames`/,
    );
    await refused({ ...PICTURE, fps: 5 }, 400, 'fps', /makes a picture; leave it out/);
    await refused(
      { ...PICTURE, output_format: 'mp4' },
      400,
      'output_format',
      /name png, jpeg or webp/,
    );
    await refused({ ...PICTURE, stepz: 5 }, 400, 'stepz', /is no field/);
    await refused(
      { ...PICTURE, num_inference_step: 5 },
      400,
      'num_inference_step',
      /did you mean "num_inference_steps"/,
    );
    await refused(
      { ...PICTURE, num_inference_steps: 'ten' },
      400,
      'num_inference_steps',
      /must be a number, got "ten"/,
    );
    await refused(
      { ...PICTURE, model: 'other' },
      404,
      'model',
      /there is no "other" here; leave it out, or name one of mfm-mini/,
    );
    await refused({ ...PICTURE, size: '512x512' }, 400, 'size', /at most 65536 pixels/);
    await refused(
      { task: 't2v', prompt: 'x', num_frames: 65 },
      400,
      'num_frames',
      /at most 64 frames/,
    );
    await refused(
      { ...PICTURE, task: 'i2v', inputs: ['file_000000000000000000000000'] },
      400,
      'inputs',
      /there is no file/,
    );
    await refused(
      { ...PICTURE, task: 'i2v', inputs: ['../../etc/passwd'] },
      400,
      'inputs.0',
      /must be the id of a file/,
    );
    await refused(
      { task: 'i2v', inputs: [{ image_url: 'http://localhost/x.png' }] },
      400,
      'inputs',
      /not accepted here/,
    );
    await refused(
      { task: 'i2v', inputs: [{ image_url: 'data:image/png;base64,bm90IGEgcGljdHVyZQ==' }] },
      400,
      'inputs',
      /^inputs: holds text, not a picture/,
    );
    await refused(
      { task: 'i2v', inputs: ['https://localhost/x.png'] },
      400,
      'inputs',
      /^inputs: addresses of other hosts are not accepted here; .* --allow-urls$/,
    );
  });

  test('is planned, without a job, also while one is made', async () => {
    const { id } = await make(LONG);
    await client().until(id, 'in_progress');
    const { status, body } = await client().post('/v1/plan', {
      task: 't2v',
      prompt: 'a cube',
      num_frames: 33,
    });
    assert.equal(status, 200);
    assert.deepEqual(
      [body.task, body.size, body.num_frames, body.fits, body.refusal],
      ['t2v', '64x64', 33, true, null],
    );
    assert.ok(body.peak_bytes > 0 && body.seconds > 0 && body.num_windows > 1);
    const wrong = await client().post('/v1/plan', { task: 'i2v' });
    assert.deepEqual([wrong.status, wrong.body.error.param], [400, 'inputs']);
    await client().post(`/v1/videos/${id}/cancel`);
  });

  test('puts fields that its client does not know into extra_params', async () => {
    const job = await make({
      prompt: 'a red cube',
      seconds: '4',
      extra_params: { task: 't2i', ...FEW },
    }).catch(() => null);
    assert.equal(job, null, 'seconds are of clips');
    const { request } = await made({ prompt: 'a red cube', extra_params: { task: 't2i', ...FEW } });
    assert.deepEqual([request.task, request.num_inference_steps], ['t2i', 2]);
  });
});

describe('the lists', () => {
  test('of jobs come in pages, and by state and task', async () => {
    const { body } = await client().get('/v1/videos?limit=2');
    assert.equal(body.data.length, 2);
    assert.deepEqual(
      [body.object, body.first_id, body.last_id, body.has_more],
      ['list', body.data[0].id, body.data[1].id, true],
    );
    const next = await client().get(`/v1/videos?limit=2&after=${body.last_id}`);
    assert.ok(next.body.data.every(({ id }: Json) => id !== body.last_id && id !== body.first_id));
    const cancelled = await client().get('/v1/videos?status=cancelled');
    assert.ok(
      cancelled.body.data.length > 0 &&
        cancelled.body.data.every(({ status }: Json) => status === 'cancelled'),
    );
    assert.equal((await client().get('/v1/videos?limit=0')).status, 400);
    assert.equal((await client().get('/v1/videos?limits=3')).body.error.param, 'limits');
  });

  test('of tasks say what each takes, and the server takes no less', async () => {
    const { body } = await client().get('/v1/tasks');
    assert.equal(body.model, 'mfm-mini');
    assert.equal(body.data.length, 19);
    for (const { id, schema, prompt, inputs, mask } of body.data) {
      assert.equal(schema.properties.task.const, id);
      assert.equal(schema.additionalProperties, false);
      assert.equal((schema.required ?? []).includes('prompt'), prompt === 'required');
      assert.equal('mask' in schema.properties, mask !== 'none');
      // what the schema calls for is called for by the library
      if (prompt !== 'required' && inputs.length === 0 && !schema.allOf) continue;
      const { status } = await client().post('/v1/plan', { task: id });
      assert.equal(status, 400, id);
    }
    const t2v = body.data.find(({ id }: Json) => id === 't2v');
    assert.deepEqual(
      [t2v.defaults.size, t2v.defaults.num_frames, t2v.trained],
      ['64x64', 17, true],
    );
  });

  test('of figures, health and specification are there', async () => {
    const metrics = await (await fetch(`${client().url}/metrics`)).text();
    assert.match(metrics, /^mfm_jobs\{state="completed"\} \d+$/m);
    assert.match(metrics, /^mfm_memory_bytes\{process="engine"\} [1-9]\d+$/m);
    for (const stage of ['queued', 'starting', 'text', 'condition', 'steps', 'frames', 'saving']) {
      assert.match(
        metrics,
        new RegExp(`^mfm_job_stage_seconds_count{stage="${stage}"} [1-9]`, 'm'),
      );
    }
    const { body } = await client().get('/openapi.json');
    assert.equal(body.openapi, '3.1.0');
    for (const path of [
      '/v1/videos',
      '/v1/videos/{id}/events',
      '/v1/plan',
      '/v1/fine_tuning/jobs',
      '/v1/files',
      '/v1/images/edits',
    ]) {
      assert.ok(path in body.paths, path);
    }
    // what a stream, a part of a file and a form are answered and asked with
    const types = (path: string, method: string, status: number) =>
      Object.keys(body.paths[path][method].responses[status].content);
    assert.deepEqual(types('/v1/images/generations', 'post', 200), [
      'application/json',
      'text/event-stream',
    ]);
    assert.ok(types('/v1/videos/{id}/content', 'get', 206).includes('video/mp4'));
    const { VideoRequest, ImageEditForm } = body.components.schemas;
    const { guidance_range: range, tile } = VideoRequest.properties;
    assert.deepEqual([range.minItems, range.maxItems], [2, 2]);
    assert.equal(tile.properties.width.multipleOf, 16);
    assert.ok('image' in ImageEditForm.properties && 'prompt' in ImageEditForm.properties);
    const page = await (await fetch(`${client().url}/docs`)).text();
    assert.match(page, /\/v1\/queue\/reorder/);
    assert.ok(!/(src|href)="(https?:)?\/\//.test(page), 'it asks no other host');
    assert.equal((await client().get('/health')).body.auth, 'none');
    const none = await client().get('/v1/nothing');
    assert.deepEqual([none.status, none.body.error.type], [404, 'not_found_error']);
    for (const [path, allow] of [
      ['/v1/videos/sync', 'POST'],
      ['/v1/images/edits', 'POST'],
    ] as const) {
      const wrong = await client().get(path);
      assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, allow], path);
    }
    assert.equal((await client().get('/v1/videos/other')).status, 404);
  });

  test('of models say what is loaded; one is unloaded and loaded', async () => {
    const { body } = await client().post('/v1/models/mfm-mini/unload');
    assert.deepEqual([body.loaded, body.memory_bytes], [false, null]);
    const loaded = (await client().post('/v1/models/mfm-mini/load')).body;
    assert.ok(loaded.loaded && loaded.memory_bytes > 1e7);
    assert.deepEqual(loaded.parts.map(({ name }: Json) => name).sort(), [
      'scheduler',
      'text_encoder',
      'tokenizer',
      'transformer',
      'vae',
    ]);
  });
});
