import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { readMedia } from '../../src/media/index.js';
import type { VideoJob } from '../../src/server/schemas/job.js';
import { ffmpeg, noFfmpeg } from '../media/helpers.js';
import { FEW, type Json, serving } from './serving.js';

const { root, client, server } = serving({
  maxUpload: 2 * 2 ** 20,
  maxPixels: 512 * 512,
  stallMs: 300,
});

let photo: Buffer;
let mask: Buffer;
before(async () => {
  mkdirSync(root, { recursive: true });
  photo = await sharp('examples/media/gecko.jpg').resize(64, 64).png().toBuffer();
  mask = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#000' } })
    .composite([
      {
        input: { create: { width: 24, height: 24, channels: 3, background: '#fff' } },
        left: 20,
        top: 20,
      },
    ])
    .png()
    .toBuffer();
});

const upload = async (bytes: Uint8Array, name: string): Promise<Json> => {
  const { status, body } = await client().upload(bytes, name);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};
const until = async (answer: { status: number; body: Json }) => {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return client().until(answer.body.id, 'completed');
};

describe('an upload', () => {
  test('is checked, described, answered again, and removed', async () => {
    const file = await upload(photo, 'my photo.png');
    assert.match(file.id, /^file_[0-9a-f]{24}$/);
    assert.deepEqual(
      [
        file.object,
        file.filename,
        file.kind,
        file.width,
        file.height,
        file.num_frames,
        file.bytes,
        file.alpha,
      ],
      ['file', 'my photo.png', 'image', 64, 64, 1, photo.length, false],
    );
    const path = `/v1/files/${file.id}`;
    assert.deepEqual((await client().get(path)).body, file);
    const { bytes, headers } = await client().bytes(`${path}/content`);
    assert.deepEqual(bytes, photo);
    assert.equal(headers.get('content-type'), 'image/png');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    const part = await client().bytes(`${path}/content`, { range: 'bytes=0-3' });
    assert.deepEqual([part.status, part.bytes.toString('latin1', 1)], [206, 'PNG']);
    assert.ok((await client().get('/v1/files')).body.data.some(({ id }: Json) => id === file.id));
    assert.deepEqual((await client().remove(path)).body, {
      id: file.id,
      object: 'file',
      deleted: true,
    });
    assert.equal((await client().get(path)).status, 404);
    assert.ok(!existsSync(join(server().folder, 'files', file.id)));
  });

  test('may be a picture of any kind that is read', { skip: noFfmpeg }, async () => {
    for (const name of ['photo.bmp', 'photo.tga', 'photo.qoi']) {
      const path = join(root, name);
      ffmpeg('-i', 'examples/media/gecko.jpg', '-vf', 'scale=64:48', path);
      const { kind, width, height, alpha } = await upload(readFileSync(path), name);
      assert.deepEqual([kind, width, height, alpha], ['image', 64, 48, false], name);
    }
  });

  test('of a clip has frames, each of which can be had', { skip: noFfmpeg }, async () => {
    const path = join(root, 'clip.mp4');
    ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=64x48:rate=8:duration=2',
      '-pix_fmt',
      'yuv420p',
      path,
    );
    const file = await upload(readFileSync(path), 'clip.mp4');
    assert.deepEqual(
      [file.kind, file.width, file.height, file.num_frames, file.fps, file.seconds],
      ['video', 64, 48, 16, 8, 2],
    );
    const clip = await readMedia(path);
    for (const [frame, index] of [
      [0, 0],
      [-1, 15],
      [-16, 0],
      [5, 5],
    ] as const) {
      const { bytes } = await client().bytes(`/v1/files/${file.id}/content?frame=${frame}`);
      const pixels = await sharp(bytes).raw().toBuffer();
      const size = 64 * 48 * 3;
      assert.deepEqual(pixels, Buffer.from(clip.data.subarray(index * size, (index + 1) * size)));
    }
    const none = await client().get(`/v1/files/${file.id}/content?frame=16`);
    assert.deepEqual([none.status, none.body.error.param], [400, 'frame']);
    assert.match(none.body.error.message, /^clip\.mp4: has no frame 16; /);
    const before = await client().get(`/v1/files/${file.id}/content?frame=-17`);
    assert.match(before.body.error.message, /^clip\.mp4: has no frame -17; /);
    const inputs = [{ file_id: file.id, frame: 16 }];
    const input = await client().post('/v1/videos', { task: 'i2v', inputs, ...FEW });
    assert.deepEqual([input.status, input.body.error.param], [400, 'inputs']);
    assert.match(input.body.error.message, /^inputs: has no frame 16; /);
  });

  test('with sound says so, and so does what is made of it', { skip: noFfmpeg }, async () => {
    const path = join(root, 'loud.mp4');
    ffmpeg(
      ...['-f', 'lavfi', '-i', 'testsrc2=size=64x64:rate=8:duration=1.125'],
      ...['-f', 'lavfi', '-i', 'sine=duration=1.125', '-pix_fmt', 'yuv420p', path],
    );
    const clip = await upload(readFileSync(path), 'loud.mp4');
    const picture = await upload(photo, 'silent.png');
    assert.deepEqual([clip.sound, picture.sound], [true, false]);
    const make = async (body: Json) =>
      until(await client().post('/v1/videos', { ...body, ...FEW }));
    const coloured = { task: 'vcolor', inputs: [clip.id] };
    assert.equal((await make(coloured)).sound, true);
    assert.equal((await make({ ...coloured, output_format: 'gif' })).sound, false);
    assert.equal((await make({ task: 't2v', prompt: 'a red cube', num_frames: 5 })).sound, false);
  });

  test('that cannot be used is refused with a sentence, and leaves nothing', async () => {
    const before = readdirSync(join(server().folder, 'files'));
    const clear = sharp(photo).ensureAlpha(0.5);
    for (const [bytes, name, message] of [
      [Buffer.from('no picture'), 'a.png', /^a\.png: /],
      [photo.subarray(0, 200), 'half.png', /^half\.png: /],
      [
        (await clear.png().toBuffer()).subarray(0, 2000),
        'clear.png',
        /^clear\.png: cannot be decoded/,
      ],
      [
        (await clear.webp().toBuffer()).subarray(0, 20),
        'clear.webp',
        /^clear\.webp: cannot be dec/,
      ],
      [Buffer.alloc(0), 'empty.png', /empty/],
      [Buffer.from([0xff, 0xfe, 0x00]), 'a.txt', /is not text in UTF-8/],
      [Buffer.alloc(3 * 2 ** 20), 'large.bin', /at most 2097152 bytes/],
      [Buffer.from('{}'), 'a.safetensors', /neither depth .* nor a LoRA/],
      [
        await sharp({ create: { width: 1000, height: 1000, channels: 3, background: '#fff' } })
          .png()
          .toBuffer(),
        'wide.png',
        /has 1000x1000 pixels, and at most 262144 are accepted/,
      ],
    ] as const) {
      const { status, body } = await client().upload(bytes, name);
      assert.ok(status === 400 || status === 413, `${name}: ${status}`);
      assert.match(body.error.message, message);
      assert.ok(!body.error.message.includes(root), body.error.message);
    }
    const wrong = await client().post('/v1/files', { file: 'x' });
    assert.deepEqual([wrong.status, wrong.body.error.param], [400, 'file']);
    assert.deepEqual(readdirSync(join(server().folder, 'files')), before);
    assert.deepEqual(readdirSync(join(server().folder, 'incoming')), []);
  });

  test('keeps its name for people, and no path of it', async () => {
    const file = await upload(photo, '../../../../tmp/evil.png');
    assert.equal(file.filename, 'evil.png');
    // a name is cut between two characters
    const long = await upload(photo, `${'a'.repeat(199)}🦎.png`);
    const { status, headers } = await client().bytes(`/v1/files/${long.id}/content`);
    assert.deepEqual([status, long.filename], [200, `${'a'.repeat(199)}🦎`]);
    assert.match(headers.get('content-disposition')!, /a%F0%9F%A6%8E$/);
    assert.deepEqual(readdirSync(join(server().folder, 'files', file.id)).sort(), [
      'content.png',
      'file.json',
    ]);
    for (const path of [
      '/v1/files/../../package.json',
      '/v1/files/%2e%2e%2f%2e%2e/content',
      '/..%2f..%2fpackage.json',
      '/assets/%2e%2e/%2e%2e/package.json',
    ]) {
      const { status } = await client().get(path);
      assert.equal(status, 404, path);
    }
  });

  test('that comes too slowly is ended', async () => {
    const { hostname, port } = new URL(client().url);
    const socket = createConnection(Number(port), hostname);
    const head = `POST /v1/files HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n`;
    socket.write(
      `${head}--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n`,
    );
    let answer = '';
    for await (const chunk of socket.setEncoding('utf8')) {
      answer += chunk;
      if (answer.includes('}}')) break;
    }
    socket.destroy();
    assert.match(answer, /^HTTP\/1\.1 408/);
    assert.match(answer, /too_slow/);
  });
});

describe('an input', () => {
  test('is an upload, a result, a frame of one, a data URL or a part of the form, with equal results', async () => {
    const { id } = await upload(photo, 'photo.png');
    const url = `data:image/png;base64,${photo.toString('base64')}`;
    const form = new FormData();
    form.set('task', 'isr');
    for (const [name, value] of Object.entries(FEW)) form.set(name, String(value));
    form.set('input_reference', new Blob([photo as Uint8Array<ArrayBuffer>]), 'photo.png');
    const jobs: VideoJob[] = [];
    for (const inputs of [
      [id],
      [{ file_id: id }],
      [{ file_id: id, frame: 0 }],
      [{ image_url: url }],
      [url],
    ]) {
      jobs.push(await until(await client().post('/v1/videos', { task: 'isr', inputs, ...FEW })));
    }
    jobs.push(await until(await client().post('/v1/videos', form)));
    const pixels = await Promise.all(
      jobs.map(async (job) => {
        const { bytes } = await client().bytes(`/v1/videos/${job.id}/content`);
        return (await sharp(bytes).raw().toBuffer()).toString('hex');
      }),
    );
    assert.equal(new Set(pixels).size, 1);
    assert.deepEqual([jobs[0]!.width, jobs[0]!.height], [128, 128]);
    // what came as bytes is an upload now, so that the request can be repeated
    for (const job of jobs.slice(3, 5)) {
      assert.match((job.request.inputs![0] as Json).file_id, /^file_/);
    }
    const [first] = jobs;
    const again = await until(
      await client().post('/v1/videos', {
        task: 'icolor',
        inputs: [{ video_id: first!.id }],
        ...FEW,
      }),
    );
    assert.equal(again.width, 128);
  });

  test('is called by its number in notes, and not by a path that nobody knows', async () => {
    const { id } = await upload(photo, 'photo.png');
    const asked = { task: 'i2v', prompt: 'a gecko', inputs: [id], size: '32x64', ...FEW };
    const note = 'input 0: cropped by 50% of its width (`fit`)';
    assert.deepEqual((await client().post('/v1/plan', asked)).body.notes, [note]);
    const job = await until(await client().post('/v1/videos', asked));
    assert.deepEqual(job.notes, [note]);
    const { error } = (await client().post('/v1/plan', { task: 'isr', inputs: [id, id] })).body;
    assert.deepEqual(
      [error.message, error.hint],
      ['isr: takes one input, got 2; leave out input 1', 'leave out input 1'],
    );
  });

  test('that is wrong is called by the field that it came in', async () => {
    const { id } = await upload(Buffer.from('no picture'), 'a.txt');
    const form = new FormData();
    form.set('prompt', 'x');
    form.set('image', new Blob(['no picture']), 'a.png');
    const edits = '/v1/images/edits';
    const missing = 'file_000000000000000000000000';
    for (const [path, body, param, message] of [
      ['/v1/plan', { task: 'isr', inputs: [id] }, 'inputs', /^input 0: holds text/],
      [edits, { prompt: 'x' }, 'image', /; give one with `image`$/],
      [edits, { prompt: 'x', image: missing }, 'image', /^image: there is no file/],
      [edits, { prompt: 'x', images: [missing] }, 'images', /^images: there is no file/],
      [edits, { prompt: 'x', inputs: [missing] }, 'inputs', /^inputs: there is no file/],
      [edits, { prompt: 'x', image: id, mask: id }, 'mask', /^mask: holds text/],
      [edits, form, 'image', /^a\.png: holds text/],
    ] as const) {
      const { status, body: answer } = await client().post(path, body);
      assert.deepEqual([status, answer.error.param], [400, param], answer.error.message);
      assert.match(answer.error.message, message);
    }
  });

  test('outlives its upload and the job that made it', async () => {
    await client().post('/v1/queue/pause');
    const { id } = await upload(photo, 'photo.png');
    const { body } = await client().post('/v1/videos', { task: 'icolor', inputs: [id], ...FEW });
    await client().remove(`/v1/files/${id}`);
    await client().post('/v1/queue/resume');
    await client().until(body.id, 'completed');
    // but it can be asked for no more
    const gone = await client().post(`/v1/videos/${body.id}/remix`, {});
    assert.deepEqual([gone.status, gone.body.error.param], [400, 'inputs']);
  });

  test('of a request that comes to nothing is not kept', async () => {
    const names = async () =>
      (await client().get('/v1/files?limit=1000')).body.data.map(({ id }: Json) => id);
    const before = await names();
    const inputs = [{ image_url: `data:image/png;base64,${photo.toString('base64')}` }];
    const form = (fields: Record<string, string>) => {
      const made = new FormData();
      for (const [name, value] of Object.entries(fields)) made.set(name, value);
      made.set('input_reference', new Blob([photo as Uint8Array<ArrayBuffer>]), 'photo.png');
      return made;
    };
    for (const [path, body, status] of [
      ['/v1/videos', { task: 'isr', inputs, num_frames: 9 }, 400],
      ['/v1/videos', form({ task: 'isr', num_frames: '9' }), 400],
      ['/v1/videos', form({ task: 'isr', stepz: '9' }), 400],
      ['/v1/images/edits', { prompt: 'x', inputs, num_frames: 9 }, 400],
      ['/v1/images/edits', { prompt: 'x', inputs, mask: inputs[0], upscale: 2 }, 400],
      ['/v1/plan', { task: 'isr', inputs }, 200],
      ['/v1/plan', form({ task: 'isr' }), 200],
    ] as const) {
      const answer = await client().post(path, body);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.deepEqual(await names(), before, JSON.stringify(answer.body));
    }
  });

  test('that is given twice is refused', async () => {
    const form = new FormData();
    form.set('task', 'iinp');
    const bytes = new Blob([photo as Uint8Array<ArrayBuffer>]);
    for (const name of ['inputs', 'mask']) form.set(name, bytes, 'photo.png');
    form.append('mask', bytes, 'other.png');
    const { status, body } = await client().post('/v1/videos', form);
    assert.deepEqual([status, body.error.param], [400, 'mask']);
    assert.equal(body.error.message, 'mask: is given twice; leave one of them out');
    const both = { prompt: 'x', image: 'file_000000000000000000000000', inputs: [] };
    const edit = await client().post('/v1/images/edits', both);
    assert.match(edit.body.error.message, /^inputs: is given twice|^image: is given twice/);
  });

  test('that is masked keeps the rest of the picture', async () => {
    const [{ id }, hole] = [await upload(photo, 'photo.png'), await upload(mask, 'mask.png')];
    for (const given of [hole.id, { box: { x: 20, y: 20, width: 24, height: 24 } }]) {
      const job = await until(
        await client().post('/v1/videos', { task: 'iinp', inputs: [id], mask: given, ...FEW }),
      );
      const { bytes } = await client().bytes(`/v1/videos/${job.id}/content`);
      const [made, before] = [
        await sharp(bytes).raw().toBuffer(),
        await sharp(photo).removeAlpha().raw().toBuffer(),
      ];
      assert.deepEqual(made.subarray(0, 64 * 3 * 8), before.subarray(0, 64 * 3 * 8));
      assert.notDeepEqual(made, before);
    }
  });

  test('of a mixture lies at its place on the time line', { skip: noFfmpeg }, async () => {
    const { id } = await upload(photo, 'photo.png');
    const known = [
      { media: id, at: 0 },
      { media: { file_id: id }, at: -1, gray: true, keep: 0.7 },
    ];
    const job = await until(
      await client().post('/v1/videos', { task: 'any', known, num_frames: 9, ...FEW }),
    );
    assert.deepEqual([job.num_frames, job.task], [9, 'any']);
    const wrong = await client().post('/v1/videos', {
      task: 'any',
      known: [{ media: id, at: 40 }],
      num_frames: 9,
      ...FEW,
    });
    assert.equal(wrong.status, 400);
    assert.match(wrong.body.error.message, /frame 40 lies outside of the result/);
    // a mixture of a single frame is a picture, however its length is said
    const one = { task: 'any', known: [{ media: id, at: 0 }], ...FEW };
    const rated = await client().post('/v1/videos', { ...one, num_frames: 1, fps: 8 });
    assert.deepEqual([rated.status, rated.body.error.param], [400, 'fps']);
    const short = await client().post('/v1/videos', { ...one, seconds: '0.05' });
    assert.deepEqual([short.status, short.body.error.param], [400, 'seconds']);
    const picture = await until(await client().post('/v1/videos', { ...one, num_frames: 1 }));
    assert.deepEqual([picture.result, picture.content_type], ['image', 'image/png']);
  });

  test('that is stored turned has the size of the upright picture', async () => {
    const color = { create: { width: 40, height: 20, channels: 3, background: '#f00' } } as const;
    for (const format of ['jpeg', 'webp'] as const) {
      const turned = sharp(color).withMetadata({ orientation: 6 }).toFormat(format);
      const { width, height } = await upload(await turned.toBuffer(), `photo.${format}`);
      assert.deepEqual([width, height], [20, 40], format);
    }
  });

  test('counts seconds at the rate of the clip that it continues', { skip: noFfmpeg }, async () => {
    const path = join(root, 'fast.mp4');
    const film = 'testsrc2=size=64x64:rate=20:duration=1';
    ffmpeg('-f', 'lavfi', '-i', film, '-pix_fmt', 'yuv420p', path);
    const { body: file } = await client().upload(readFileSync(path), 'fast.mp4');
    const longer = await until(
      await client().post('/v1/videos/extensions', { video: file.id, seconds: '1.5', ...FEW }),
    );
    // 30 frames are made, eight of which are the last ones of the clip
    assert.deepEqual([longer.fps, longer.num_frames], [20, 20 + 30 - 8]);
  });

  test('extends and edits a clip as OpenAI-style clients ask for it', {
    skip: noFfmpeg,
  }, async () => {
    const clip = await until(
      await client().post('/v1/videos', { prompt: 'a red cube moves left', ...FEW }),
    );
    assert.equal(clip.task, 't2v');
    const longer = await until(
      await client().post('/v1/videos/extensions', {
        video: { id: clip.id },
        seconds: '4',
        ...FEW,
      }),
    );
    assert.equal(longer.task, 'vexd');
    assert.ok(longer.num_frames! > 17);
    const edited = await until(
      await client().post('/v1/videos/edits', {
        video: { id: clip.id },
        prompt: 'turn the cube blue',
        ...FEW,
      }),
    );
    assert.deepEqual([edited.task, edited.num_frames], ['vedit', 17]);
  });
});

test('a file where none is taken is refused, and leaves nothing', async () => {
  for (const path of ['/v1/queue/reorder', '/v1/fine_tuning/jobs', '/v1/session']) {
    const form = new FormData();
    form.set('file', new Blob([photo as Uint8Array<ArrayBuffer>]), 'photo.png');
    const { status, body } = await client().post(path, form);
    assert.deepEqual([status, body.error.code], [415, 'unsupported_type'], path);
  }
  assert.deepEqual(readdirSync(join(server().folder, 'incoming')), []);
});

test('a body that is nested without end is refused, and the server lives', async () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  for (const [path, body] of [
    ['/v1/videos', `{"prompt": ${deep(100_000)}}`],
    ['/v1/videos', `{"metadata": ${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
    ['/v1/fine_tuning/jobs', `{"recipe": {"data": ${deep(100)}}}`],
  ] as const) {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(client().url + path, { method: 'POST', headers, body });
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as Json;
    assert.match(error.message, /^the body is nested more than 64 levels deep/);
  }
  assert.equal((await client().get('/health')).status, 200);
});

test('a field that objects take for something else is refused in JSON, in forms and in queries', async () => {
  const fields = { task: 't2i', prompt: 'x' };
  const form = (more: Record<string, string>) => {
    const made = new FormData();
    for (const [name, value] of Object.entries({ ...fields, ...more })) made.set(name, value);
    return made;
  };
  const proto = JSON.parse('{ "__proto__": "hidden" }');
  const json = { 'content-type': 'application/json' };
  const post = (body: string | FormData) => ({
    method: 'POST',
    body,
    headers: body instanceof FormData ? undefined : json,
  });
  for (const [path, init] of [
    ['/v1/plan', post(`{ "__proto__": ${JSON.stringify(fields)} }`)],
    ['/v1/plan', post(JSON.stringify({ ...fields, metadata: proto }))],
    ['/v1/fine_tuning/jobs', post(JSON.stringify({ recipe: { transformer: [proto] } }))],
    ['/v1/plan', post(form({ ['__proto__']: '{}' }))],
    ['/v1/plan', post(form({ '__proto__[]': 'x' }))],
    ['/v1/plan', post(form({ metadata: JSON.stringify(proto) }))],
    ['/v1/videos?__proto__=1', {}],
  ] as [string, RequestInit][]) {
    const response = await fetch(client().url + path, init);
    const { error } = (await response.json()) as Json;
    assert.equal(response.status, 400, path);
    const message = '__proto__: is no field of this request; leave it out';
    assert.deepEqual([error.param, error.message], ['__proto__', message]);
  }
});

test('a form that is none, or has parts without names, is refused, and the server lives', async () => {
  const send = (body: string) =>
    client()
      .bytes('/health')
      .then(() =>
        fetch(`${client().url}/v1/videos`, {
          method: 'POST',
          headers: { 'content-type': 'multipart/form-data; boundary=x' },
          body,
        }),
      )
      .then((response) => response.status);
  const part = (head: string) =>
    `--x\r\nContent-Disposition: form-data${head}\r\n\r\n1\r\n--x--\r\n`;
  for (const body of [
    '',
    'x',
    '--x',
    part(''),
    part('; filename="a.png"'),
    part('; name="__proto__"'),
    part('; name="á\u001f"'),
    part('; name="file"; filename="a.png"'),
  ]) {
    assert.equal(await send(body), 400, JSON.stringify(body));
  }
  assert.equal((await client().get('/health')).status, 200);
});
