import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError, isAbort, JobError } from '../../src/errors.js';
import { world } from '../train/world.js';

/** What two processes get when each does its own work. */
async function both(...works: [() => unknown, () => unknown]) {
  const ends = await Promise.allSettled(
    world(2).map((parallel) => parallel.together(works[parallel.rank]!)),
  );
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : (end.reason as Error)));
}

const fail = (error: Error) => () => {
  throw error;
};
const stop = () => AbortSignal.abort().throwIfAborted();

describe('together', () => {
  test('gives every result to all', async () => {
    const results = await both(
      () => 'a',
      async () => 7,
    );
    assert.deepEqual(results, [
      ['a', 7],
      ['a', 7],
    ]);
  });

  test('fails in all, as the first that failed, naming it to the others', async () => {
    const input = new InputError('photo.jpg: is damaged');
    assert.deepEqual(await both(() => 1, fail(input)), [
      new InputError('rank 1: photo.jpg: is damaged'),
      input,
    ]);
    const job = new JobError('the disk is full');
    const [first, second] = await both(fail(job), () => 2);
    assert.equal(first, job);
    assert.deepEqual(second, new JobError('rank 0: the disk is full'));
  });

  test('stops all if one is stopped, but a failure counts for more', async () => {
    for (const end of await both(stop, () => 1)) assert.ok(isAbort(end), String(end));
    const [first, second] = await both(stop, fail(new Error('no space')));
    assert.equal((first as Error).message, 'rank 1: no space');
    assert.equal((second as Error).message, 'no space');
  });
});
