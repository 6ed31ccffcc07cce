import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import sharp from 'sharp';
import {
  endpointOf,
  type RetryOptions,
  type RewriteRequest,
  rewriter,
} from '../../../../src/cli/commands/generate/rewrite.js';
import { InputError, JobError } from '../../../../src/errors.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { ChatServer, type Planned } from './chat-server.js';

const root = temporaryFolder();
const photo = join(root, 'photo.png');
before(() =>
  sharp({ create: { width: 1000, height: 500, channels: 3, background: '#c01020' } })
    .png()
    .toFile(photo),
);

const task = { summary: 'a clip that begins with your image', promptTag: 'image-to-video' };

describe('rewriter', () => {
  let server: ChatServer;
  beforeEach(async () => {
    server = await new ChatServer().start();
  });
  afterEach(() => server.stop());

  const rewrite = (wish: Partial<RewriteRequest> = {}, patience: RetryOptions = {}) => {
    const endpoint = { url: server.url, model: 'some-model', key: 'the-key' };
    return rewriter(endpoint, { pauseMs: () => 0, ...patience })({ task, prompt: 'go', ...wish });
  };

  test('sends the wish, the job and the picture, reduced', async () => {
    server.answers = ['A red wall, and the camera goes closer.'];
    assert.equal(await rewrite({ input: photo }), 'A red wall, and the camera goes closer.');
    const [{ path, authorization, body }] = server.seen as [(typeof server.seen)[0]];
    assert.deepEqual([path, authorization], ['/v1/chat/completions', 'Bearer the-key']);
    assert.equal(body.model, 'some-model');
    assert.ok(body.temperature <= 0.3);
    const [system, user] = body.messages;
    assert.equal(system!.role, 'system');
    const [text, picture] = user!.content as { text?: string; image_url?: { url: string } }[];
    assert.match(text!.text!, /image-to-video.*\nWish: go$/);
    const [head, base64] = picture!.image_url!.url.split(',');
    assert.equal(head, 'data:image/jpeg;base64');
    const { width, height } = await sharp(Buffer.from(base64!, 'base64')).metadata();
    assert.deepEqual([width, height], [512, 256]);
  });

  test('without a picture the wish is plain text', async () => {
    await rewrite({ prompt: ' ' });
    const { content } = server.seen[0]!.body.messages[1]!;
    assert.match(content as string, /Wish: \(none\)$/);
  });

  test('an answer becomes one line without quotes and thoughts', async () => {
    const cases = [
      ['"A cube."', 'A cube.'],
      ['  A cube\n\nlies there.\n', 'A cube lies there.'],
      ['<think>hm\nhm</think>\nA "red" cube.', 'A "red" cube.'],
    ];
    for (const [answer, want] of cases) {
      server.answers = [answer!];
      assert.equal(await rewrite(), want);
    }
  });

  test('a busy server is asked again, not without end', async () => {
    const pauses: number[] = [];
    const pauseMs = (failures: number) => pauses.push(failures) * 0;
    server.answers = [{ status: 429, headers: { 'retry-after': '0' } }, { status: 503 }, 'A cube.'];
    assert.equal(await rewrite({}, { pauseMs }), 'A cube.');
    assert.deepEqual(pauses, [1, 2]);
    server.answers = [{ status: 500 }];
    server.seen.length = 0;
    await assert.rejects(rewrite(), {
      name: JobError.name,
      message: /^127\.0\.0\.1:\d+ \(status 500\): no answer after 4 tries; try later/,
    });
    assert.equal(server.seen.length, 4);
  });

  test('a server that is silent is not waited for', async () => {
    server.answers = [{ silent: true }, 'A cube.'];
    assert.equal(await rewrite({}, { timeoutMs: 200 }), 'A cube.');
  });

  test('Ctrl-C ends a request, and a pause', async () => {
    const stop = new Error('stop');
    for (const planned of [{ silent: true }, { status: 503 }] as Planned[]) {
      const controller = new AbortController();
      server.answers = [planned];
      server.onAsked = () => setImmediate(() => controller.abort(stop));
      const { signal } = controller;
      await assert.rejects(rewrite({}, { signal, pauseMs: () => 60_000 }), stop);
    }
  });

  test('says in one sentence what is wrong', async () => {
    const error = (message: string) => JSON.stringify({ error: { message } });
    const cases: [Planned, string, RegExp][] = [
      [{ status: 401 }, InputError.name, /: refuses the key \(status 401\); check OPENAI_API_KEY/],
      [
        { status: 404, body: error('no model some-model.\nSorry') },
        InputError.name,
        /completions: is not there, or has no such model \(status 404, no model some-model\);/,
      ],
      [
        { status: 400, body: error('no pictures here') },
        JobError.name,
        /: refuses the request \(status 400, no pictures here\)/,
      ],
      [{ body: '<html>\nHello' }, JobError.name, /: must answer in JSON, got "<html>"; check that/],
      [{ body: '' }, JobError.name, /: must answer in JSON, got ""/],
      [{ body: 'null' }, JobError.name, /: answered without a prompt/],
      [{ body: '{"choices": []}' }, JobError.name, /: answered without a prompt/],
      [' "" ', JobError.name, /: answered without a prompt; run again/],
      [
        { body: '{"choices": [{"message": {"content": "A"}, "finish_reason": "length"}]}' },
        JobError.name,
        /: its answer was cut off/,
      ],
    ];
    for (const [planned, name, message] of cases) {
      server.answers = [planned];
      server.seen.length = 0;
      await assert.rejects(rewrite(), (thrown: Error) => {
        assert.equal(thrown.name, name);
        assert.match(thrown.message, message);
        assert.doesNotMatch(thrown.message, /\n|the-key/);
        return true;
      });
      assert.equal(server.seen.length, 1, 'what does not pass is not tried again');
    }
  });

  test('a key that the server repeats is not shown, nor what would steer a terminal', async () => {
    const message = 'no such key: the-key\u001b[2J\u009b31m';
    for (const [planned, said] of [
      [{ status: 400, body: JSON.stringify({ error: { message } }) }, /400, no such key: …/],
      [{ body: `Bearer the-key\u001b]0;x\u0007` }, /got "Bearer …/],
    ] as [Planned, RegExp][]) {
      server.answers = [planned];
      await assert.rejects(rewrite(), (thrown: Error) => {
        assert.match(thrown.message, said);
        assert.doesNotMatch(thrown.message, /\p{Cc}|the-key/u);
        return true;
      });
    }
  });

  test('a server that leads elsewhere gets no prompt sent there', async () => {
    const other = await new ChatServer().start();
    try {
      for (const status of [301, 302, 303, 307, 308]) {
        server.answers = [{ status, headers: { location: `${other.url}/chat?token=hush` } }];
        await assert.rejects(rewrite(), {
          name: InputError.name,
          message: /redirects to http:\/\/127\.0\.0\.1:\d+\/v1\/chat, but prompts/,
        });
      }
      assert.equal(other.seen.length, 0);
    } finally {
      await other.stop();
    }
  });

  test('an answer without end is given up', async () => {
    server.answers = [{ body: ' '.repeat(9 * 2 ** 20) }];
    await assert.rejects(rewrite(), /its answer does not end; check --rewrite-url/);
  });

  test('a server that is not there is named', async () => {
    await server.stop();
    await assert.rejects(rewrite(), {
      message: /^127\.0\.0\.1:\d+ \(ECONNREFUSED\): cannot be reached; check --rewrite-url/,
    });
    server = await new ChatServer().start();
  });

  test('a picture that cannot be read is named', async () => {
    await assert.rejects(rewrite({ input: join(root, 'none.png') }), /none\.png: no such file/);
    assert.equal(server.seen.length, 0);
  });
});

describe('endpointOf', () => {
  const env = { OPENAI_BASE_URL: 'http://localhost:1/v1', OPENAI_API_KEY: 'k' };
  const on = { rewritePrompt: true, rewriteModel: 'm' };

  test('is null unless rewriting is asked for, whatever the environment says', () => {
    assert.equal(endpointOf({ rewritePrompt: false }, env), null);
  });

  test('takes the address from the option before the environment', () => {
    const url = 'https://other.example/v1';
    assert.deepEqual(endpointOf({ ...on, rewriteUrl: url }, env), { url, model: 'm', key: 'k' });
    assert.equal(endpointOf(on, env)!.url, env.OPENAI_BASE_URL);
  });

  test('names what is missing or wrong', () => {
    const cases: [object, NodeJS.ProcessEnv, RegExp][] = [
      [{ rewriteModel: 'm' }, env, /^--rewrite-model: belongs to --rewrite-prompt/],
      [on, { OPENAI_API_KEY: 'k' }, /^--rewrite-prompt: needs the address .*OPENAI_BASE_URL$/],
      [{ rewritePrompt: true }, env, /^--rewrite-prompt: needs the name of a language model/],
      [on, { OPENAI_BASE_URL: 'http://x' }, /^--rewrite-prompt: needs a key; set OPENAI_API_KEY/],
      [on, { ...env, OPENAI_API_KEY: 'a\nb' }, /^OPENAI_API_KEY: must be one word/],
      [on, { ...env, OPENAI_BASE_URL: 'localhost:1' }, /^OPENAI_BASE_URL: must be a plain address/],
      [{ ...on, rewriteUrl: 'http://u:p@x/' }, env, /^--rewrite-url: must be a plain address/],
    ];
    for (const [options, environment, message] of cases) {
      assert.throws(() => endpointOf(options, environment), { name: InputError.name, message });
    }
  });
});
