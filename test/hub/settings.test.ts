import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { hubSettings } from '../../src/hub/index.js';
import { temporaryFolder } from '../temp-folder.js';

const root = temporaryFolder();

describe('hubSettings', () => {
  test('finds the cache where huggingface_hub has it', () => {
    const cache = (env: NodeJS.ProcessEnv) => hubSettings(env).cache;
    assert.equal(cache({}), join(homedir(), '.cache/huggingface/hub'));
    assert.equal(cache({ XDG_CACHE_HOME: '/x' }), '/x/huggingface/hub');
    assert.equal(cache({ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }), '/h/hub');
    assert.equal(cache({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }), '/c');
    assert.equal(cache({ HF_HUB_CACHE: '~/models' }), join(homedir(), 'models'));
  });

  test('takes the token from HF_TOKEN, else from the file of `hf auth login`', () => {
    mkdirSync(join(root, 'home'));
    writeFileSync(join(root, 'home/token'), 'hf_file\n');
    const env = { HF_HOME: join(root, 'home') };
    assert.equal(hubSettings({ ...env, HF_TOKEN: ' hf_variable\n' }).token, 'hf_variable');
    assert.equal(hubSettings(env).token, 'hf_file');
    assert.equal(hubSettings({ ...env, HF_TOKEN_PATH: join(root, 'none') }).token, undefined);
    assert.equal(hubSettings({ ...env, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }).token, undefined);
  });

  test('refuses a token that no header holds, without showing it', () => {
    writeFileSync(join(root, 'broken-token'), 'hf_se\ncret');
    for (const env of [
      { HF_TOKEN: 'hf_se\ncret' },
      { HUGGING_FACE_HUB_TOKEN: 'hf_se cret' },
      { HF_TOKEN_PATH: join(root, 'broken-token') },
    ]) {
      assert.throws(() => hubSettings(env), {
        name: 'InputError',
        message:
          /^(HF_TOKEN|HUGGING_FACE_HUB_TOKEN|\/.*broken-token): must be one word of plain characters; set it without spaces and line breaks$/,
      });
    }
  });

  test('refuses an endpoint with a password, without showing it', () => {
    for (const endpoint of ['https://user:hunter2@mirror.org', 'user:hunter2@mirror.org']) {
      assert.throws(
        () => hubSettings({ HF_ENDPOINT: endpoint }),
        (error: Error) => {
          assert.match(error.message, /^HF_ENDPOINT: must be a plain address .*a password$/);
          assert.doesNotMatch(error.message, /hunter2/);
          return true;
        },
      );
    }
  });

  test('reads endpoint and offline mode', () => {
    assert.equal(hubSettings({}).endpoint, 'https://huggingface.co');
    assert.equal(
      hubSettings({ HF_ENDPOINT: 'https://mirror.org/' }).endpoint,
      'https://mirror.org',
    );
    assert.throws(
      () => hubSettings({ HF_ENDPOINT: 'mirror' }),
      /^InputError: HF_ENDPOINT: must be/,
    );
    assert.equal(hubSettings({ HF_HUB_OFFLINE: 'true' }).offline, true);
    assert.equal(hubSettings({ HF_HUB_OFFLINE: '0' }).offline, false);
  });
});
