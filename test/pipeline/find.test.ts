import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { resolvePipeline } from '../../src/pipeline/find.js';

describe('resolvePipeline', () => {
  const root = mkdtempSync(join(tmpdir(), 'mfm-find-'));
  const commit = 'ab'.repeat(20);
  const snapshot = join(root, 'cache/models--org--name/snapshots', commit);
  const [cwd, cache] = [process.cwd(), process.env.HF_HUB_CACHE];

  before(() => {
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(root, 'cache/models--org--name/refs'));
    writeFileSync(join(root, 'cache/models--org--name/refs/main'), commit);
    mkdirSync(join(root, 'here/org/own'), { recursive: true });
    process.env.HF_HUB_CACHE = join(root, 'cache');
    process.chdir(join(root, 'here'));
  });
  after(() => {
    process.chdir(cwd);
    if (cache === undefined) delete process.env.HF_HUB_CACHE;
    else process.env.HF_HUB_CACHE = cache;
    rmSync(root, { recursive: true });
  });

  test('finds a download by name and revision', () => {
    assert.equal(resolvePipeline('org/name'), snapshot);
    assert.equal(resolvePipeline(`org/name@${commit}`), snapshot);
  });

  test('takes a folder of that name first', () => {
    assert.equal(resolvePipeline('org/own'), 'org/own');
    mkdirSync(join(root, 'here/org/name'));
    assert.equal(resolvePipeline('org/name'), 'org/name');
    rmSync(join(root, 'here/org/name'), { recursive: true });
  });

  test('names the command for what is not there', () => {
    assert.throws(
      () => resolvePipeline('org/name@v2'),
      /^InputError: org\/name@v2: no such folder, and no download of that name in .*; `mfm pull org\/name@v2` fetches it from the hub$/,
    );
    // what cannot be a repository is refused where the folder is opened
    assert.equal(resolvePipeline('runs/x/pipeline'), 'runs/x/pipeline');
  });
});
