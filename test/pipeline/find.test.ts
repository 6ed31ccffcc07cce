import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromRoot } from '../../src/files/package-root.js';
import { newestPipeline, resolvePipeline } from '../../src/pipeline/find.js';

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

describe('newestPipeline', () => {
  const root = mkdtempSync(join(tmpdir(), 'mfm-newest-'));
  const cwd = process.cwd();
  const carried = fromRoot('models/mfm-mini');
  const runs = (...names: string[]) => join('runs', ...names);
  const newest = () => {
    const said: string[] = [];
    return { folder: newestPipeline((sentence) => said.push(sentence)), said };
  };
  /** A copy of the small pipeline in runs/NAME; those of later minutes are newer. */
  function makeRun(name: string, minute: number): string {
    const folder = runs(name, 'pipeline');
    cpSync(carried, folder, { recursive: true });
    setTime(join(folder, 'model_index.json'), minute);
    return folder;
  }
  function setTime(file: string, minute: number): void {
    const time = new Date(Date.now() + minute * 60_000);
    utimesSync(file, time, time);
  }

  before(() => {
    process.chdir(root);
    makeRun('old', 1);
    makeRun('good', 2);
  });
  after(() => {
    process.chdir(cwd);
    rmSync(root, { recursive: true });
  });

  test('is the newest of runs/, whatever else lies there', () => {
    writeFileSync(runs('compare-a-b.html'), '<p>');
    writeFileSync(runs('model_index.json'), '{}');
    mkdirSync(runs('empty'));
    mkdirSync(runs('begun', 'checkpoints'), { recursive: true });
    mkdirSync(runs('odd'));
    writeFileSync(runs('odd', 'pipeline'), 'a file');
    symlinkSync('nowhere', runs('broken'));
    mkdirSync(runs('linked'));
    symlinkSync('../nowhere', runs('linked', 'pipeline'));
    assert.deepEqual(newest(), { folder: runs('good', 'pipeline'), said: [] });
  });

  test('says of a folder that it cannot be looked into, and goes on', () => {
    symlinkSync('round', runs('round'));
    const { folder, said } = newest();
    assert.equal(folder, runs('good', 'pipeline'));
    assert.equal(said.length, 1);
    assert.match(said[0]!, /^runs\/round\/pipeline\/model_index\.json: cannot be read \(ELOOP/);
    rmSync(runs('round'));
  });

  test('passes over newer ones that are half written or damaged, and says so', () => {
    const half = makeRun('half', 3);
    rmSync(join(half, 'transformer'), { recursive: true });
    const cut = makeRun('cut', 4);
    const weights = join(cut, 'vae', 'diffusion_pytorch_model.safetensors');
    truncateSync(weights, readFileSync(weights).length / 2);
    const torn = makeRun('torn', 5);
    writeFileSync(join(torn, 'model_index.json'), '{"_class');
    setTime(join(torn, 'model_index.json'), 5);
    const { folder, said } = newest();
    assert.equal(folder, runs('good', 'pipeline'));
    const named = said.map((sentence) => /^runs\/(\w+)\/pipeline: is skipped/.exec(sentence)?.[1]);
    assert.deepEqual(new Set(named), new Set(['half', 'cut', 'torn']));
  });
});
