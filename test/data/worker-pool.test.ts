import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { describe, test } from 'node:test';
import { createWorkerPool } from '../../src/data/worker-pool.js';
import { InputError, JobError } from '../../src/errors.js';
import { makeBatch, miniWorldLoader } from './fixtures/miniworld-batch.js';

const SLOW = new URL('./fixtures/slow-worker.ts', import.meta.url);

type Reply = { delayMs: number; values: Float32Array; priority: number };

describe('createWorkerPool', () => {
  test('yields results in the order of the jobs, whatever they take', async () => {
    const pool = createWorkerPool<number, Reply>(SLOW, { workers: 2, queue: 4 });
    const jobs = [40, 1, 20, 2, 30, 3, 1];
    const seen: number[] = [];
    for await (const { delayMs, values } of pool.stream(jobs)) {
      assert.equal(values[0], delayMs);
      seen.push(delayMs);
    }
    assert.deepEqual(seen, jobs);
    await pool.close();
  });

  test('its threads give way to the one that started them, which keeps its priority', async () => {
    const before = getPriority();
    const pool = createWorkerPool<number, Reply>(SLOW, { workers: 1 });
    const { priority } = await pool.run(1);
    await pool.close();
    assert.equal(getPriority(), before);
    assert.equal(priority, process.platform === 'linux' ? 19 : before);
  });

  test('takes no more jobs ahead than its queue holds', async () => {
    const pool = createWorkerPool<number, Reply>(SLOW, { workers: 1, queue: 3 });
    let taken = 0;
    function* endless() {
      for (;;) {
        taken++;
        yield 1;
      }
    }
    let read = 0;
    for await (const _ of pool.stream(endless())) {
      read++;
      assert.ok(taken <= read + 2, `${taken} taken, ${read} read`);
      if (read === 6) {
        break;
      }
    }
    await pool.close();
  });

  test('reports a failed job in its turn and by name', async () => {
    const pool = createWorkerPool<number, Reply>(SLOW, {
      workers: 2,
      describe: (job) => `job ${job}`,
    });
    const results = pool.stream([5, -1, 5]);
    assert.equal((await results.next()).value?.delayMs, 5);
    await assert.rejects(results.next(), (error: Error) => {
      assert.ok(error instanceof JobError);
      assert.match(error.message, /job -1 failed, less than nothing/);
      return true;
    });
    // the pool goes on
    assert.equal((await pool.run(2)).delayMs, 2);
    await pool.close();
  });

  test('fails what waits when a thread ends or the pool is closed', async () => {
    const pool = createWorkerPool<number, Reply>(SLOW, { workers: 1 });
    await assert.rejects(pool.run(0), /0 failed, its thread ended/);
    await pool.close();
    const other = createWorkerPool<number, Reply>(SLOW, { workers: 1 });
    const waiting = assert.rejects(other.run(10_000), JobError);
    await other.close();
    await waiting;
    await assert.rejects(other.run(1), /closed/);
  });

  test('fails with the reason of its signal once that aborts', async () => {
    const controller = new AbortController();
    const pool = createWorkerPool<number, Reply>(SLOW, { workers: 1, signal: controller.signal });
    const waiting = assert.rejects(pool.run(10_000), { name: 'AbortError' });
    controller.abort();
    await waiting;
    await assert.rejects(pool.run(1), { name: 'AbortError' });
  });

  test('rejects a pool without workers', () => {
    assert.throws(() => createWorkerPool(SLOW, { workers: 0 }), InputError);
  });
});

describe('miniWorldLoader', () => {
  test('makes in threads what it makes here', async () => {
    const pool = miniWorldLoader({ workers: 2 });
    const size = { width: 32, height: 32, numFrames: 5, batchSize: 3 };
    const jobs = [0, 3, 6].map((firstSeed) => ({ firstSeed, ...size }));
    let i = 0;
    for await (const batch of pool.stream(jobs)) {
      assert.deepEqual(batch, makeBatch(jobs[i++]));
    }
    assert.equal(i, 3);
    await pool.close();
  });

  test('names the seed that failed', async () => {
    const pool = miniWorldLoader({ workers: 1 });
    const job = { firstSeed: -1, batchSize: 2, width: 32, height: 32, numFrames: 1 };
    await assert.rejects(pool.run(job), /seed -1: .*whole number/);
    await pool.close();
  });
});
