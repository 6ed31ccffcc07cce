import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fromRoot } from '../../../src/files/package-root.js';
import { clientOf } from '../../server/serving.js';
import { temporaryFolder } from '../../temp-folder.js';
import { mfm, program, watch } from '../program.js';

const root = temporaryFolder();
const MODEL = ['--pipeline', fromRoot('models/mfm-mini'), '--folder', join(root, 'server')];

describe('mfm serve', () => {
  test('refuses what is not safe or not there, in a sentence', () => {
    writeFileSync(join(root, 'empty.txt'), '\n');
    for (const [words, message] of [
      [
        ['--host', '0.0.0.0'],
        /^host: 0\.0\.0\.0 can be reached by others, so a key is needed; give one with --api-key/,
      ],
      [['--api-key', 'short'], /a key must have at least 8 characters/],
      [['--api-key-file', join(root, 'none.txt')], /none\.txt: the keys cannot be read/],
      [
        ['--api-key-file', join(root, 'empty.txt')],
        /empty\.txt: holds no key; write one on each line/,
      ],
      [['--pipeline', join(root, 'none')], /none: is not a pipeline folder/],
    ] as [string[], RegExp][]) {
      const { status, stderr } = mfm(['serve', ...MODEL.slice(2), ...words], { cwd: root });
      assert.deepEqual([status, stderr.trim().split('\n').length], [2, 1], stderr);
      assert.match(stderr, message);
      assert.ok(!stderr.includes('short'), 'no key is said');
    }
  });

  test('says where it listens, wants its key, and ends by a signal with its processes', async () => {
    const key = 'correct-horse-battery';
    const server = watch(
      [program, 'serve', ...MODEL, '--port', '0', '--runs', join(root, 'runs')],
      {
        cwd: root,
        env: { MFM_API_KEY: key },
      },
    );
    const url = await new Promise<string>((resolve, reject) => {
      server.child.stdout!.on('data', () => {
        if (server.said.stdout.includes('\n')) resolve(server.said.stdout.trim());
      });
      server.child.on('close', () => reject(new Error(server.said.stderr)));
    });
    const client = clientOf(url);
    assert.equal((await client.get('/v1/models')).body.error.code, 'missing_key');
    const { body } = await client.get('/v1/models', { authorization: `Bearer ${key}` });
    assert.equal(body.data[0].id, 'mfm-mini');
    assert.equal((await client.get('/health')).body.auth, 'required');
    server.child.kill('SIGTERM');
    const { code, stdout, stderr } = await server.ended;
    assert.equal(code, 143, stderr);
    assert.equal(stdout, `${url}\n`);
    assert.ok(!stderr.includes(key));
  });
});
