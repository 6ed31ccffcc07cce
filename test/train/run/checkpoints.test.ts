import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Parallel } from '../../../src/distributed/parallel.js';
import { tensor } from '../../../src/tensor/index.js';
import { Checkpoints } from '../../../src/train/run/checkpoints.js';
import { temporaryFolder } from '../../temp-folder.js';
import { world } from '../world.js';

const root = temporaryFolder();

interface State {
  note: string;
}

/** A checkpoint of four numbers of state, spread evenly over the processes. */
async function save(folder: string, step: number, { size = 1, last = 9, every = 0 } = {}) {
  await Promise.all(
    world(size).map((parallel) => {
      const checkpoints = new Checkpoints<State>(folder, 'net', parallel);
      const { rank } = parallel;
      const names = ['a', 'b', 'c', 'd'].filter((_, i) => i % size === rank);
      const own = Object.fromEntries(names.map((name) => [name, tensor([step, names.length])]));
      return checkpoints.save(
        {
          shared: { weights: { w: tensor([step, -step]) } },
          own: { optimizer: { ...own, step: tensor([step]) } },
          state: { step, note: `after ${step}` },
        },
        { last, milestoneEverySteps: every || undefined },
      );
    }),
  );
}

/** What each process of a job reads. */
async function load(folder: string, size = 1) {
  const said: string[] = [];
  const found = await Promise.all(
    world(size).map(async (parallel) => {
      const values: Record<string, Record<string, number[]>> = {};
      const state = await new Checkpoints<State>(folder, 'net', parallel).load(
        (tensors) => {
          for (const [file, group] of Object.entries(tensors)) {
            const sorted = Object.entries(group).sort();
            values[file] = Object.fromEntries(
              sorted.map(([name, value]) => [name, [...value.toFloat32Array()]]),
            );
          }
        },
        { say: (text) => said.push(text) },
      );
      return state && { ...values, state };
    }),
  );
  return { found: found as (({ state: State & { step: number } } & Values) | null)[], said };
}

type Values = Record<string, Record<string, number[]>>;

const stepsIn = (folder: string) => readdirSync(folder).map((name) => Number(name.slice(-8)));

describe('checkpoints', () => {
  test('are read as they were written, by any number of processes', async () => {
    for (const size of [1, 2, 4]) {
      const folder = join(root, `by-${size}`);
      await save(folder, 7, { size });
      const part = [7, 4 / size];
      const expected = {
        weights: { w: [7, -7] },
        optimizer: { a: part, b: part, c: part, d: part, step: [7] },
        state: { step: 7, note: 'after 7' },
      };
      for (const readers of [1, 2, 3]) {
        const { found, said } = await load(folder, readers);
        assert.deepEqual(found, Array(readers).fill(expected), `${size} to ${readers}`);
        assert.deepEqual(said, []);
      }
    }
    const files = readdirSync(join(root, 'by-2', 'net-00000007')).sort();
    assert.deepEqual(files, [
      'checksums.json',
      'optimizer-00000-of-00002.safetensors',
      'optimizer-00001-of-00002.safetensors',
      'state.json',
      'weights.safetensors',
    ]);
  });

  test('are none where none was written, and leave those of other parts alone', async () => {
    assert.deepEqual((await load(join(root, 'none'), 2)).found, [null, null]);
    const folder = join(root, 'parts');
    await save(folder, 3);
    await new Checkpoints<State>(folder, 'other').save(
      { shared: {}, own: {}, state: { step: 9, note: 'other' } },
      { last: 1 },
    );
    assert.deepEqual((await load(folder)).found[0]!.state, { step: 3, note: 'after 3' });
  });

  test('go when they are old, but for milestones', async () => {
    const folder = join(root, 'old');
    for (const step of [0, 1, 2, 3, 4, 5, 6]) await save(folder, step, { last: 2, every: 3 });
    assert.deepEqual(stepsIn(folder), [3, 5, 6]);
  });

  const damages: [string, RegExp, (folder: string) => void][] = [
    [
      'a missing file',
      /weights\.safetensors is missing/,
      (f) => rmSync(join(f, 'weights.safetensors')),
    ],
    [
      'a cut file',
      /weights\.safetensors is damaged/,
      (f) => truncateSync(join(f, 'weights.safetensors'), 40),
    ],
    [
      'another state',
      /state\.json is damaged/,
      (f) => writeFileSync(join(f, 'state.json'), '{"step":9}'),
    ],
    ['no checksums', /has no readable checksums\.json/, (f) => rmSync(join(f, 'checksums.json'))],
    [
      'half of the checksums',
      /has no readable checksums\.json/,
      (f) => truncateSync(join(f, 'checksums.json'), 9),
    ],
    [
      'a flipped bit',
      /optimizer-00001-of-00002\.safetensors is damaged/,
      (f) => {
        const path = join(f, 'optimizer-00001-of-00002.safetensors');
        const bytes = readFileSync(path);
        bytes[bytes.length - 1]! ^= 1;
        writeFileSync(path, bytes);
      },
    ],
  ];
  for (const [name, message, damage] of damages) {
    test(`with ${name} are passed over; the one before is taken, in all processes`, async () => {
      const folder = join(root, name);
      await save(folder, 1, { size: 2 });
      await save(folder, 2, { size: 2 });
      damage(join(folder, 'net-00000002'));
      const { found, said } = await load(folder, 2);
      assert.deepEqual(
        found.map((one) => one!.state.step),
        [1, 1],
      );
      // said once, for all
      assert.equal(said.length, 1);
      assert.match(said[0]!, message);
      assert.match(said[0]!, /net-00000002: .*; the one before it is used$/);
    });
  }

  test('of which none is whole are refused in one sentence, in all processes', async () => {
    const folder = join(root, 'ruins');
    await save(folder, 1);
    cpSync(join(folder, 'net-00000001'), join(folder, 'net-00000002'), { recursive: true });
    for (const step of [1, 2]) rmSync(join(folder, `net-0000000${step}`, 'state.json'));
    const [first, second] = world(2).map((parallel) =>
      new Checkpoints<State>(folder, 'net', parallel).load(() => {}),
    );
    for (const outcome of await Promise.allSettled([first, second])) {
      assert.equal(outcome.status, 'rejected');
      const { name, message } = (outcome as PromiseRejectedResult).reason as Error;
      assert.equal(name, 'InputError');
      assert.match(
        message,
        /net-00000002: state\.json is missing; no other checkpoint is intact: restore a copy, begin another run with `run: FOLDER`, or delete .* to start over/,
      );
    }
  });

  test('that cannot be written leave nothing behind, and those before stay', async () => {
    const folder = join(root, 'blocked');
    await save(folder, 1, { size: 2 });
    const [fine, failing] = world(2);
    const write = (parallel: Parallel, value: unknown) =>
      new Checkpoints<State>(folder, 'net', parallel).save(
        {
          shared: {},
          own: { optimizer: { x: value as never } },
          state: { step: 2, note: '' },
        },
        { last: 1 },
      );
    const outcomes = await Promise.allSettled([
      write(fine!, tensor([1])),
      write(failing!, 'no tensor'),
    ]);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected');
      const { name, message } = (outcome as PromiseRejectedResult).reason as Error;
      assert.equal(name, 'JobError');
      assert.match(message, /net-00000002: cannot be written \(/);
    }
    assert.deepEqual(readdirSync(folder), ['net-00000001']);
    assert.equal((await load(folder)).found[0]!.state.step, 1);
  });

  test('are refused where processes do not see the same folder', async () => {
    const folders = ['here', 'there'].map((name) => join(root, name));
    const outcomes = await Promise.allSettled(
      world(2).map((parallel) => {
        const checkpoints = new Checkpoints<State>(folders[parallel.rank]!, 'net', parallel);
        const own = { optimizer: { x: tensor([parallel.rank]) } };
        return checkpoints.save({ shared: {}, own, state: { step: 3, note: '' } }, { last: 1 });
      }),
    );
    for (const outcome of outcomes) {
      const { message } = (outcome as PromiseRejectedResult).reason as Error;
      assert.match(message, /optimizer-00001-of-00002\.safetensors.* is missing/);
    }
    assert.deepEqual(readdirSync(folders[0]!), []);
  });

  test('take the place of one of the same step', async () => {
    const folder = join(root, 'again');
    await save(folder, 4, { size: 2 });
    await save(folder, 4);
    assert.deepEqual((await load(folder)).found[0]!.optimizer.a, [4, 4]);
    assert.deepEqual(stepsIn(folder), [4]);
  });
});
