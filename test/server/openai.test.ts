/** OpenAI's own package for JavaScript, and a client of its Videos API, as they are. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import sharp from 'sharp';
import { PromptTokenizer } from '../../src/models/t5/index.js';
import { TASKS, taggedPrompt } from '../../src/tasks/index.js';
import { noFfmpeg } from '../media/helpers.js';
import { until } from '../until.js';
import { MODEL, SLOW, serving } from './serving.js';

const KEY = 'correct-horse-battery';
const { client } = serving({ apiKeys: [KEY] });
const steps = { num_inference_steps: 12 } as Record<string, unknown>;
/** of the prompt of these tests, with the tag of t2i */
const TEXT_TOKENS = PromptTokenizer.open(join(MODEL, 'tokenizer'))
  .encode(taggedPrompt('a red cube', TASKS.t2i))
  .mask.filter((isRead) => isRead === 1).length;

let openai: OpenAI;
let photo: Buffer;
const sizeOf = async (b64: string | undefined) => {
  const { width, height, format } = await sharp(Buffer.from(b64!, 'base64')).metadata();
  return [format, width, height];
};

describe("OpenAI's package", () => {
  before(async () => {
    openai = new OpenAI({ apiKey: KEY, baseURL: `${client().url}/v1`, maxRetries: 0 });
    photo = await sharp('examples/media/gecko.jpg').resize(64, 64).png().toBuffer();
  });

  test('makes pictures, and has files for them', async () => {
    const made = await openai.images.generate({
      prompt: 'a red cube',
      n: 2,
      output_format: 'webp',
      ...steps,
    });
    assert.equal(made.data!.length, 2);
    // every word and the tag are a token, and so is the end; 64 pixels are 4 patches
    assert.deepEqual(made.usage, {
      input_tokens: TEXT_TOKENS,
      input_tokens_details: { text_tokens: TEXT_TOKENS, image_tokens: 0 },
      output_tokens: 2 * 16,
      total_tokens: TEXT_TOKENS + 2 * 16,
    });
    for (const { b64_json } of made.data!)
      assert.deepEqual(await sizeOf(b64_json), ['webp', 64, 64]);
    assert.notEqual(made.data![0]!.b64_json, made.data![1]!.b64_json);
    const { data } = await openai.images.generate({
      prompt: 'a red cube',
      response_format: 'url',
      quality: 'high',
      user: 'me',
      ...steps,
    });
    const { status } = await fetch(data![0]!.url!, { headers: { authorization: `Bearer ${KEY}` } });
    assert.equal(status, 200);
  });

  test('makes smaller files where that is asked for', async () => {
    const bytes: number[] = [];
    const seeded = { seed: 7, ...steps };
    for (const output_compression of [null, 80, 0]) {
      const { data } = await openai.images.generate({
        prompt: 'a red cube',
        output_format: 'jpeg',
        output_compression,
        n: null,
        size: null,
        quality: null,
        ...seeded,
      });
      assert.deepEqual(await sizeOf(data![0]!.b64_json), ['jpeg', 64, 64]);
      bytes.push(data![0]!.b64_json!.length);
    }
    assert.deepEqual(
      bytes,
      [...bytes].sort((a, b) => b - a),
    );
    assert.equal(new Set(bytes).size, 3);
    await assert.rejects(
      openai.images.generate({ prompt: 'x', output_compression: 50 }),
      (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.deepEqual([error.status, error.param], [400, 'output_compression']);
        assert.match(
          error.message,
          /output_compression: a png has none; leave it out, or name jpeg or webp as output_format$/,
        );
        return true;
      },
    );
  });

  test('streams a picture as it comes into being', async () => {
    const stream = await openai.images.generate({
      prompt: 'a red cube',
      stream: true,
      partial_images: 2,
      ...steps,
    });
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      assert.deepEqual(await sizeOf(event.b64_json), ['png', 64, 64]);
      if (event.type === 'image_generation.partial_image') {
        assert.equal(event.partial_image_index, types.length - 1);
      } else assert.equal(event.usage.total_tokens, TEXT_TOKENS + 16);
    }
    assert.deepEqual(types, [
      ...Array(types.length - 1).fill('image_generation.partial_image'),
      'image_generation.completed',
    ]);
    assert.ok(types.length >= 2 && types.length <= 3);
  });

  test('edits a picture where a mask is transparent', async () => {
    const hole = await sharp(photo)
      .ensureAlpha()
      .composite([
        {
          input: { create: { width: 24, height: 24, channels: 4, background: '#fff' } },
          left: 20,
          top: 20,
          blend: 'dest-out',
        },
      ])
      .png()
      .toBuffer();
    const edited = await openai.images.edit({
      image: await toFile(photo, 'photo.png', { type: 'image/png' }),
      mask: await toFile(hole, 'mask.png', { type: 'image/png' }),
      prompt: 'a red cube',
      ...steps,
    });
    // the job's request has the mask as the server takes it, so that it can be repeated
    const { video_id } = edited.data![0] as unknown as { video_id: string };
    const auth = { authorization: `Bearer ${KEY}` };
    const { body: first } = await client().get(`/v1/videos/${video_id}`, auth);
    const repeated = await fetch(`${client().url}/v1/videos/sync`, {
      method: 'POST',
      headers: { ...auth, 'content-type': 'application/json' },
      body: JSON.stringify(first.request),
    });
    const same = async (bytes: Buffer) => (await sharp(bytes).raw().toBuffer()).toString('hex');
    assert.equal(
      await same(Buffer.from(await repeated.arrayBuffer())),
      await same(Buffer.from(edited.data![0]!.b64_json!, 'base64')),
    );
    const { input_tokens_details: details, output_tokens } = edited.usage!;
    assert.deepEqual([details.image_tokens, output_tokens], [16, 16]);
    const pixels = await sharp(Buffer.from(edited.data![0]!.b64_json!, 'base64')).raw().toBuffer();
    const before = await sharp(photo).removeAlpha().raw().toBuffer();
    const at = (x: number, y: number) => 3 * (64 * y + x);
    for (const [x, y] of [
      [2, 2],
      [60, 60],
      [2, 60],
    ] as const) {
      assert.deepEqual(
        pixels.subarray(at(x, y), at(x, y) + 3),
        before.subarray(at(x, y), at(x, y) + 3),
      );
    }
    assert.notDeepEqual(
      pixels.subarray(at(20, 32), at(43, 32)),
      before.subarray(at(20, 32), at(43, 32)),
    );
  });

  test('gets errors as it knows them', async () => {
    await assert.rejects(
      openai.images.generate({ prompt: 'x', size: '100000x1' as never }),
      (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.deepEqual(
          [error.status, error.type, error.param],
          [400, 'invalid_request_error', 'size'],
        );
        return true;
      },
    );
    const wrong = new OpenAI({ apiKey: 'wrong-key', baseURL: `${client().url}/v1`, maxRetries: 0 });
    await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);
    await assert.rejects(
      openai.videos.retrieve('video_000000000000000000000000'),
      OpenAI.NotFoundError,
    );
  });

  test('lists models, uploads, lists and removes files', async () => {
    const models = await openai.models.list();
    assert.deepEqual(
      models.data.map(({ id }) => id),
      ['mfm-mini'],
    );
    const file = await openai.files.create({
      file: await toFile(photo, 'photo.png'),
      purpose: 'vision',
    });
    assert.deepEqual(
      [file.filename, file.bytes, file.purpose],
      ['photo.png', photo.length, 'vision'],
    );
    const found: string[] = [];
    for await (const { id } of openai.files.list({ limit: 1 })) found.push(id);
    assert.ok(found.includes(file.id));
    const content = await openai.files.content(file.id);
    assert.deepEqual(Buffer.from(await content.arrayBuffer()), photo);
    assert.ok((await openai.files.delete(file.id)).deleted);
  });

  test('creates a clip, polls, downloads, remixes, lists and deletes it', {
    skip: noFfmpeg,
  }, async () => {
    const request = { prompt: 'a red cube moves left', model: 'mfm-mini' as never, ...steps };
    const job = await openai.videos.create(request);
    assert.deepEqual([job.object, job.status], ['video', 'queued']);
    const now = await until(async () => {
      const seen = await openai.videos.retrieve(job.id);
      return seen.status === 'queued' || seen.status === 'in_progress' ? null : seen;
    }, SLOW);
    assert.deepEqual([now.status, now.progress, now.seconds], ['completed', 100, '2.125']);
    const video = await openai.videos.downloadContent(job.id);
    assert.equal(video.headers.get('content-type'), 'video/mp4');
    assert.ok((await video.arrayBuffer()).byteLength > 1000);
    const thumbnail = await openai.videos.downloadContent(job.id, { variant: 'thumbnail' });
    assert.equal(thumbnail.headers.get('content-type'), 'image/webp');
    const remix = await openai.videos.remix(job.id, { prompt: 'a blue sphere moves left' });
    assert.equal(remix.remixed_from_video_id, job.id);
    const ids: string[] = [];
    for await (const { id } of openai.videos.list({ limit: 2 })) ids.push(id);
    assert.ok(ids.includes(job.id) && ids.includes(remix.id));
    for (const id of [job.id, remix.id]) assert.ok((await openai.videos.delete(id)).deleted);
    await assert.rejects(openai.videos.retrieve(job.id), OpenAI.NotFoundError);
  });

  test('begins a clip with a picture', { skip: noFfmpeg }, async () => {
    const input_reference = await toFile(photo, 'photo.png', { type: 'image/png' });
    const job = await openai.videos.create({ prompt: 'it moves', input_reference, ...steps });
    const { body } = await client().get(`/v1/videos/${job.id}`, { authorization: `Bearer ${KEY}` });
    assert.equal(body.task, 'i2v');
    await openai.videos.delete(job.id);
  });
});
