import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { looksLikeRepo, parseRepo } from '../../src/hub/index.js';

describe('parseRepo', () => {
  test('reads name and revision', () => {
    const main = { repo: 'LetsThink/MfM-Pipeline-2B', revision: 'main' };
    assert.deepEqual(parseRepo('LetsThink/MfM-Pipeline-2B'), main);
    assert.deepEqual(parseRepo('gpt2@refs/pr/1'), { repo: 'gpt2', revision: 'refs/pr/1' });
  });

  test('refuses what is no name or would leave the cache', () => {
    for (const text of [
      '',
      '..',
      '../x',
      'a/../b',
      'a/b/c',
      'https://hub/a/b',
      'a/.b',
      'a--b/c',
      'a b',
    ]) {
      assert.throws(() => parseRepo(text), /must be the name of a repository/, text);
    }
    for (const text of ['', '../x', 'a/../b', '/a', 'a//b', '.git', 'a b', 'x.lock', 'a\\b']) {
      assert.throws(
        () => parseRepo(`org/name@${text}`),
        /must be a branch, a tag or a commit/,
        text,
      );
    }
  });

  test('tells a name from a path', () => {
    assert.ok(looksLikeRepo('org/name') && looksLikeRepo('org/name@v1'));
    for (const text of ['name', './org/name', 'org/', '/org/name', 'runs/x/pipeline', '~/x']) {
      assert.equal(looksLikeRepo(text), false, text);
    }
  });
});
