import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { tensor } from '../../../src/tensor/index.js';
import { Recipe } from '../../../src/train/recipe/config.js';
import { Checkpoints } from '../../../src/train/run/checkpoints.js';
import { awaitOtherMachine, GONE_AFTER_MS, takeLock } from '../../../src/train/run/lock.js';
import { expectToSee, Run } from '../../../src/train/run/run.js';
import { type RunStatus, readStatus } from '../../../src/train/run/status.js';
import { world } from '../world.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-run-'));
after(() => rmSync(root, { recursive: true, force: true }));

const recipe = Recipe.parse({ name: 'toy', transformer: { steps: 1 } });
const folderOf = (name: string) => {
  mkdirSync(join(root, name), { recursive: true });
  return join(root, name);
};
const locksIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('.lock'));

describe('Run.open', () => {
  test('cleans up what a killed process had begun, and takes back what it had put aside', () => {
    const folder = folderOf('killed');
    const run = Run.open(folder, recipe);
    run.log('toy', 1, { loss: 2 });
    run.close();
    for (const name of ['checkpoints/toy-00000002.tmp', 'pipeline.7.tmp', 'pipeline.7.old']) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'part'), name);
    }
    mkdirSync(join(folder, 'checkpoints/toy-00000001.old'));
    mkdirSync(join(folder, 'checkpoints/toy-00000001'));
    writeFileSync(join(folder, 'samples/.sheet.png.1f.tmp'), '');
    for (const name of ['pipeline.old', 'notes.txt.old', 'mine.tmp']) {
      writeFileSync(join(folder, name), 'mine');
    }
    writeFileSync(join(folder, 'metrics.jsonl'), '{"part":"toy","st', { flag: 'a' });
    Run.open(folder, recipe, { resume: true }).close();
    assert.deepEqual(readdirSync(join(folder, 'checkpoints')), ['toy-00000001']);
    assert.deepEqual(readdirSync(join(folder, 'samples')), []);
    assert.equal(readFileSync(join(folder, 'pipeline/part'), 'utf8'), 'pipeline.7.old');
    assert.deepEqual(
      readdirSync(folder).filter((name) => /tmp|old/.test(name)),
      ['mine.tmp', 'notes.txt.old', 'pipeline.old'],
    );
    const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).step),
      [1],
    );
  });

  test('says where the run stood until it goes on', () => {
    const folder = folderOf('stood');
    const run = Run.open(folder, recipe);
    run.setStatus({ state: 'stopped', part: 'toy', step: 7, steps: 9 });
    run.close();
    const resumed = Run.open(folder, recipe, { resume: true });
    const { state, part, step, steps } = readStatus(folder)!;
    assert.deepEqual([state, part, step, steps], ['running', 'toy', 7, 9]);
    resumed.close();
  });

  test('says which keys have changed since the run began', () => {
    const folder = folderOf('changed');
    Run.open(folder, recipe).close();
    const said: string[] = [];
    const resumed = (changes: object) => {
      const { name, transformer } = recipe;
      const changed = Recipe.parse({ name, transformer, ...changes });
      Run.open(folder, changed, { resume: true, say: (line) => said.push(line) }).close();
    };
    resumed({});
    assert.deepEqual(said, []);
    resumed({ init: 'a', seed: 3 });
    writeFileSync(join(folder, 'recipe.json'), '{"na');
    resumed({});
    assert.deepEqual(said, [
      `${folder}: the recipe has changed since the run began: seed 0 → 3, init none → "${resolve('a')}"`,
      `${folder}: recipe.json was damaged and is written anew, without what \`init\` named`,
    ]);
  });

  test('keeps its recipe until it goes on with another', () => {
    const folder = folderOf('kept');
    const seed = () => JSON.parse(readFileSync(join(folder, 'recipe.json'), 'utf8')).seed;
    Run.open(folder, recipe).close();
    const run = Run.open(folder, { ...recipe, seed: 3 }, { resume: true });
    assert.equal(seed(), 0);
    run.keepRecipe();
    assert.equal(seed(), 3);
    run.close();
  });

  test('refuses a run that another process trains', () => {
    const folder = folderOf('twice');
    // the parent of this process lives as long as this one
    symlinkSync(`${hostname()}:${process.ppid}:${startOf(process.ppid)}`, join(folder, '.lock-4'));
    assert.throws(() => Run.open(folder, recipe), {
      name: 'InputError',
      message: new RegExp(`twice: is being trained by process ${process.ppid}; wait for it`),
    });
    assert.deepEqual(readdirSync(folder), ['.lock-4']);
  });
});

describe('a run that has lost something', () => {
  /** As one that was trained to step 400, with what is named in checkpoints/. */
  function begunRun(name: string, { checkpoints = [] as string[], results = [] as string[] } = {}) {
    const folder = folderOf(name);
    const run = Run.open(folder, recipe);
    run.log('transformer', 400, { loss: 1 });
    run.setStatus({ state: 'finished', part: 'transformer', step: 400, steps: 400 });
    run.close();
    for (const checkpoint of checkpoints) mkdirSync(join(folder, 'checkpoints', checkpoint));
    for (const result of results) {
      mkdirSync(join(folder, result), { recursive: true });
      writeFileSync(join(folder, result, 'model_index.json'), '{}');
    }
    return folder;
  }
  const message = (folder: string, own = recipe, resume = true) => {
    const before = readdirSync(folder, { recursive: true }).sort();
    let said = '';
    assert.throws(
      () => Run.open(folder, own, { resume }),
      (error: Error) => {
        said = error.message;
        return error.name === 'InputError';
      },
    );
    assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), before);
    return said;
  };

  test('does not begin again where its checkpoints are gone, and says what is left', () => {
    const folder = begunRun('emptied', { results: ['pipeline'] });
    const gone =
      /emptied: has trained its transformer to step 400, and no checkpoint is left to go on from; its result is in pipeline\/; put them back, or begin another run with `run: FOLDER` \(.*emptied\/pipeline can be its base, or its `init`\), or delete .*emptied to start over$/;
    assert.match(message(folder), gone);
    assert.match(message(folder, recipe, false), gone);
    rmSync(join(folder, 'checkpoints'), { recursive: true });
    assert.match(message(folder), gone);
  });

  test('does not overwrite its result where all else is gone', () => {
    const folder = begunRun('copied', { results: ['pipeline', 'lora'] });
    for (const name of ['metrics.jsonl', 'status.json', 'recipe.json', 'checkpoints']) {
      rmSync(join(folder, name), { recursive: true });
    }
    const only = /copied: holds pipeline\/ and lora\/ of a run, and no checkpoint to go on from; /;
    assert.match(message(folder), only);
    assert.match(message(folder, recipe, false), only);
  });

  test('goes on with checkpoints alone, and is not taken for a new run', () => {
    const folder = begunRun('bare', { checkpoints: ['transformer-00000400'] });
    for (const name of ['metrics.jsonl', 'status.json', 'recipe.json']) rmSync(join(folder, name));
    assert.match(
      message(folder, recipe, false),
      /bare: holds a run already; `resume: true` goes on/,
    );
    Run.open(folder, recipe, { resume: true }).close();
  });

  test('needs the checkpoints of each part that is trained, but of a finished autoencoder', () => {
    const folder = begunRun('parts', { checkpoints: ['transformer-00000400'] });
    const line = { part: 'autoencoder', step: 9, time: '2026-01-01T00:00:00Z', loss: 1 };
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(line)}\n`, { flag: 'a' });
    assert.match(
      message(folder),
      /parts: has trained its autoencoder to step 9, and no checkpoint/,
    );
    writeFileSync(join(folder, 'autoencoder.safetensors'), '');
    Run.open(folder, recipe, { resume: true }).close();
  });

  test('does not go on with other weights than it began with', () => {
    const folder = begunRun('other', { checkpoints: ['transformer-00000400'] });
    for (const name of ['one', 'two']) folderOf(name);
    const [one, two] = [join(root, 'one'), join(root, 'two')];
    const lora = (base: string, alpha: number) =>
      Recipe.parse({
        name: 'toy',
        base,
        transformer: { steps: 1, lora: { rank: 4, alpha } },
      });
    const stored = (own: Recipe) => writeFileSync(join(folder, 'recipe.json'), JSON.stringify(own));
    stored(lora(one, 4));
    assert.equal(
      message(folder, lora(two, 8)),
      `${folder}: its weights began with base "${one}", not "${two}"; transformer.lora.alpha 4, not 8; change that back, or begin another run with \`run: FOLDER\``,
    );
    // the same folder by another name, and one that has been moved meanwhile
    symlinkSync(one, join(root, 'link'));
    Run.open(folder, lora(join(root, 'link'), 4), { resume: true }).close();
    stored(lora(join(root, 'gone'), 4));
    Run.open(folder, lora(one, 4), { resume: true }).close();
  });

  test('is not begun in a folder that is a pipeline', () => {
    const folder = folderOf('model');
    writeFileSync(join(folder, 'model_index.json'), '{}');
    assert.match(message(folder, recipe, false), /model: is a pipeline; name another folder/);
  });

  test('begins anew if it failed before it had learnt anything', () => {
    const folder = folderOf('early');
    const run = Run.open(folder, recipe);
    run.setStatus({ state: 'failed' });
    run.close();
    Run.open(folder, recipe).close();
  });
});

/** Why a small disk cannot be had here; '' if it can. */
function mountSmallDisk(folder: string): string {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder]);
  return status === 0 ? '' : `no small disk can be mounted: ${stderr}`;
}

describe('Run.openTogether', () => {
  test('fails in all processes with the sentence of the first', async () => {
    const folder = folderOf('taken');
    Run.open(folder, recipe).close();
    const outcomes = await Promise.allSettled(
      world(2).map((parallel) => Run.openTogether(folder, recipe, { resume: false, parallel })),
    );
    const sentences = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.message);
    assert.match(sentences[0], /^.*taken: holds a run already; `resume: true` goes on with it/);
    assert.equal(sentences[1], `rank 0: ${sentences[0]}`);
  });

  test('asks for a folder that all processes see', async () => {
    const folder = folderOf('own');
    const status: RunStatus = {
      state: 'running',
      part: '',
      step: 0,
      steps: 0,
      updated: '2026-01-01T00:00:00Z',
      host: 'other',
      pid: 1,
    };
    const told = {
      name: 'InputError',
      message: /own: is not the same folder on .* that all machines/,
    };
    await assert.rejects(expectToSee(folder, status, 0.01), told);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'status.json'), JSON.stringify(status));
    await expectToSee(folder, status, 0.01);
  });
});

test('on a full disk lines are written whole or not at all', (context) => {
  const folder = folderOf('full');
  const reason = mountSmallDisk(folder);
  if (reason) return context.skip(reason);
  try {
    const run = Run.open(folder, recipe);
    for (let step = 1; step <= 1000; step++) run.log('toy', step, { loss: step });
    const steps = () =>
      readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).step);
    const before = steps();
    assert.ok(before.length > 10 && before.length < 1000, String(before.length));
    run.setStatus({ step: 1000 });
    assert.ok(!existsSync(join(folder, 'status.json.tmp')), 'nothing half-written');
    rmSync(join(folder, 'tensorboard'), { recursive: true, force: true });
    rmSync(join(folder, 'recipe.json'));
    run.log('toy', 1001, { loss: 1 });
    assert.deepEqual(steps(), [...before, 1001]);
    run.close();
  } finally {
    spawnSync('umount', [folder]);
  }
});

describe('takeLock', () => {
  test('follows the lock of a process that has ended, or whose number is used again', () => {
    const folder = folderOf('void');
    const { pid } = spawnSync('true');
    const elsewhere = `elsewhere:${process.pid}:1`;
    const others = [`${hostname()}:${pid}:1`, `${hostname()}:${process.ppid}:1`, elsewhere];
    for (const owner of others) {
      const next = Number(locksIn(folder)[0]?.slice('.lock-'.length) ?? 0) + 1;
      for (const name of locksIn(folder)) rmSync(join(folder, name));
      symlinkSync(owner, join(folder, `.lock-${next}`));
      if (owner === elsewhere) makeOld(join(folder, `.lock-${next}`));
      const lock = takeLock(folder);
      assert.ok('release' in lock, owner);
      assert.deepEqual(locksIn(folder), [`.lock-${next + 1}`]);
      assert.match(readlinkSync(join(folder, `.lock-${next + 1}`)), new RegExp(`:${process.pid}:`));
    }
    const lock = takeLock(folder);
    assert.ok('release' in lock, 'its own');
    lock.release();
    assert.deepEqual(locksIn(folder), []);
  });

  test('gives signs of life, also while the thread that trains is busy', () => {
    const folder = folderOf('busy');
    const lock = takeLock(folder, { touchMs: 5 });
    assert.ok('release' in lock, 'it is free');
    const path = join(folder, '.lock-1');
    makeOld(path);
    const before = lstatSync(path).mtimeMs;
    const clock = new Int32Array(new SharedArrayBuffer(4));
    let waits = 0;
    while (lstatSync(path).mtimeMs === before && waits++ < 3000) Atomics.wait(clock, 0, 0, 10);
    assert.ok(lstatSync(path).mtimeMs > Date.now() - 60_000, `after ${waits} looks`);
    lock.release();
  });
});

describe('a run that another machine has', () => {
  const foreign = (name: string) => {
    const lock = join(folderOf(name), '.lock-1');
    symlinkSync('elsewhere:7:1', lock);
    return lock;
  };

  test('is refused, with what to do if that machine is gone', () => {
    const lock = foreign('foreign');
    mkdirSync(join(root, 'foreign/checkpoints/toy-00000001.tmp'), { recursive: true });
    assert.throws(() => Run.open(join(root, 'foreign'), recipe), {
      name: 'InputError',
      message: new RegExp(`foreign: is being trained by process 7 of elsewhere; .*${lock}`),
    });
    assert.deepEqual(readdirSync(join(root, 'foreign/checkpoints')), ['toy-00000001.tmp']);
  });

  test('is waited for until its sign of life is old', async () => {
    const lock = foreign('silent');
    makeOld(lock, GONE_AFTER_MS - 100);
    const said: string[] = [];
    await awaitOtherMachine(join(root, 'silent'), (sentence) => said.push(sentence));
    assert.equal(said.length, 1);
    assert.match(said[0]!, /silent: process 7 of elsewhere .* last sign of life .*\.lock-1/);
    Run.open(join(root, 'silent'), recipe).close();
    assert.deepEqual(locksIn(join(root, 'silent')), []);
  });

  test('is waited for no longer once it gives another one, or gives the run back', async () => {
    const lock = foreign('alive');
    makeOld(lock, 60_000);
    const alive = awaitOtherMachine(join(root, 'alive'), () => {});
    makeOld(lock, 0);
    await alive;
    assert.throws(() => Run.open(join(root, 'alive'), recipe), /of elsewhere/);
    const stopped = awaitOtherMachine(join(root, 'alive'), () => {});
    rmSync(lock);
    await stopped;
    Run.open(join(root, 'alive'), recipe).close();
  });

  test('is not waited for where there is none', async () => {
    const say = () => assert.fail('nothing to say');
    await awaitOtherMachine(join(root, 'nowhere'), say);
    const own = folderOf('own');
    symlinkSync(`${hostname()}:${process.ppid}:${startOf(process.ppid)}`, join(own, '.lock-1'));
    await awaitOtherMachine(own, say);
  });
});

function makeOld(lock: string, ageMs = GONE_AFTER_MS): void {
  const time = new Date(Date.now() - ageMs);
  lutimesSync(lock, time, time);
}

/** Source: proc_pid_stat(5), field 22 */
const startOf = (pid: number): string =>
  existsSync(`/proc/${pid}/stat`)
    ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]!
    : '';

test('a damaged checkpoint does not take the place of newer ones that are whole', async () => {
  const checkpoints = new Checkpoints<{ step: number }>(folderOf('places'), 'toy');
  const save = (step: number) =>
    checkpoints.save(
      { shared: { weights: { w: tensor([step]) } }, own: {}, state: { step } },
      { last: 1 },
    );
  await save(50);
  await save(60);
  mkdirSync(join(checkpoints.folder, 'toy-00000070'));
  assert.equal((await checkpoints.load(() => {}))!.step, 60);
  await save(61);
  assert.deepEqual(readdirSync(checkpoints.folder), ['toy-00000061']);
});
