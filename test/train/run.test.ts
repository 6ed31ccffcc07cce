import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
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
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { tensor } from '../../src/tensor/index.js';
import { Checkpoints } from '../../src/train/checkpoints.js';
import { Recipe } from '../../src/train/config.js';
import { takeLock } from '../../src/train/lock.js';
import { Run } from '../../src/train/run.js';

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
    writeFileSync(join(folder, 'metrics.jsonl'), '{"part":"toy","st', { flag: 'a' });
    Run.open(folder, recipe, { resume: true }).close();
    assert.deepEqual(readdirSync(join(folder, 'checkpoints')), ['toy-00000001']);
    assert.deepEqual(readdirSync(join(folder, 'samples')), []);
    assert.equal(readFileSync(join(folder, 'pipeline/part'), 'utf8'), 'pipeline.7.old');
    assert.deepEqual(
      readdirSync(folder).filter((name) => /tmp|old/.test(name)),
      [],
    );
    const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).step),
      [1],
    );
  });

  test('says which keys have changed since the run began', (context) => {
    const folder = folderOf('changed');
    Run.open(folder, recipe).close();
    const said: string[] = [];
    const write = context.mock.method(process.stderr, 'write', (text: string) => {
      said.push(text);
      return true;
    });
    const resumed = (changes: object) => {
      const { name, transformer } = recipe;
      const changed = Recipe.parse({ name, transformer, ...changes });
      Run.open(folder, changed, { resume: true }).close();
    };
    resumed({});
    assert.deepEqual(said, []);
    resumed({ init: 'a', seed: 3 });
    writeFileSync(join(folder, 'recipe.json'), '{"na');
    resumed({});
    write.mock.restore();
    assert.deepEqual(said, [
      `${folder}: the recipe has changed since the run began: seed 0 → 3, init none → "a"\n`,
      `${folder}: recipe.json was damaged and is written anew, without what --init named\n`,
    ]);
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

/** Why a small disk cannot be had here; '' if it can. */
function mountSmallDisk(folder: string): string {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder]);
  return status === 0 ? '' : `no small disk can be mounted: ${stderr}`;
}

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
    const others = [`${hostname()}:${pid}:1`, `${hostname()}:${process.ppid}:1`, 'elsewhere:1:1'];
    for (const owner of others) {
      const next = Number(locksIn(folder)[0]?.slice('.lock-'.length) ?? 0) + 1;
      for (const name of locksIn(folder)) rmSync(join(folder, name));
      symlinkSync(owner, join(folder, `.lock-${next}`));
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
});

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
  assert.equal((await checkpoints.load())!.state.step, 60);
  await save(61);
  assert.deepEqual(readdirSync(checkpoints.folder), ['toy-00000061']);
});
