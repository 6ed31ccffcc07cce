/** The queue alone, with an engine and a disk that do what a test says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { EngineChild } from '../../../src/server/engine/child.js';
import { HttpError } from '../../../src/server/errors.js';
import { Events } from '../../../src/server/jobs/events.js';
import type { JobRecord } from '../../../src/server/jobs/job.js';
import { Queue } from '../../../src/server/jobs/queue.js';
import { Shelf } from '../../../src/server/store/shelf.js';
import { temporaryFolder } from '../../temp-folder.js';
import { until } from '../../until.js';

/** Something that happens when a test lets it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** A disk that keeps some writes waiting. */
class SlowShelf extends Shelf<JobRecord> {
  /** by the job's id and state */
  readonly held = new Map<string, Promise<void>>();

  override async write(record: JobRecord): Promise<void> {
    await this.held.get(`${record.id} ${record.status}`);
    await super.write(record);
  }

  override async change(record: JobRecord, changes: Partial<JobRecord>): Promise<void> {
    await this.held.get(`${record.id} ${changes.status}`);
    await super.change(record, changes);
  }
}

const MADE = {
  width: 64,
  height: 64,
  numFrames: 1,
  fps: null,
  bytes: 1,
  settings: {},
  seconds: 1,
  tokens: { prompt: 1, given: 0, result: 16 },
};

function place({ openOf = () => ({}) }: { openOf?: () => object } = {}) {
  const folder = temporaryFolder();
  const jobs = new SlowShelf(join(folder, 'jobs'), 'job.json', () => {});
  const ended: string[] = [];
  const calls: { end: ReturnType<typeof gate> }[] = [];
  const engine = {
    async call() {
      const end = gate();
      calls.push({ end });
      await end.opened;
      return MADE;
    },
    async stop() {
      for (const { end } of calls) end.open();
    },
  };
  const queue = new Queue({
    jobs,
    events: new Events(),
    engine: engine as unknown as EngineChild,
    folder,
    most: 2,
    openOf: openOf as never,
    onEnd: ({ id }) => ended.push(id),
    watched: new Set(),
    say: () => {},
  });
  return { folder, jobs, queue, calls, ended };
}

const jobOf = (n: number) =>
  ({
    id: `video_${String(n).padStart(24, '0')}`,
    createdMs: n,
    status: 'queued',
    startedMs: null,
    attempts: 0,
    seed: '7',
    file: 'result.png',
    request: {},
    options: {},
    loras: [],
    shape: { width: 64, height: 64, numFrames: 1, fps: null },
  }) as unknown as JobRecord;

describe('the queue', () => {
  test('goes on while another job is being written', async () => {
    const { jobs, queue, calls } = place();
    await queue.start();
    const [first, second, third] = [jobOf(1), jobOf(2), jobOf(3)];
    await queue.add(first);
    await until(() => calls.length === 1);
    const [writing, writingThird] = [gate(), gate()];
    jobs.held.set(`${second.id} queued`, writing.opened);
    jobs.held.set(`${third.id} queued`, writingThird.opened);
    const added = queue.add(second);
    calls[0]!.end.open();
    await until(() => first.status === 'completed' && queue.busyWith === null);
    // nobody has heard of the other one yet, but its place is taken
    assert.deepEqual(queue.queued, []);
    const addedThird = queue.add(third);
    await assert.rejects(queue.add(jobOf(4)), { message: /^the queue is full with 2 jobs/ });
    // the one that is on the disk first is made first
    writing.open();
    await added;
    writingThird.open();
    await addedThird;
    for (const [i, job] of [second, third].entries()) {
      await until(() => calls.length === i + 2);
      calls[i + 1]!.end.open();
      await until(() => job.status === 'completed');
    }
    await queue.close();
  });

  test('that ends begins nothing more, and refuses what it is asked', async () => {
    const { folder, jobs, queue, calls } = place();
    await queue.start();
    const job = jobOf(1);
    const beginning = gate();
    jobs.held.set(`${job.id} in_progress`, beginning.opened);
    await queue.add(job);
    await until(() => queue.busyWith === job);
    const closed = queue.close();
    for (const asked of [queue.cancel(job.id), queue.add(jobOf(2)), queue.remove(job.id)])
      await assert.rejects(asked, { status: 503, message: /^the server is ending; ask again/ });
    beginning.open();
    await closed;
    assert.equal(calls.length, 0);
    const stored = readFileSync(join(folder, 'jobs', job.id, 'job.json'), 'utf8');
    assert.equal(JSON.parse(stored).status, 'queued');
  });

  test('ends a job once that two cancel', async () => {
    const { jobs, queue, ended } = place();
    await queue.setPaused(true);
    await queue.start();
    const job = jobOf(1);
    await queue.add(job);
    const writing = gate();
    jobs.held.set(`${job.id} cancelled`, writing.opened);
    const both = [queue.cancel(job.id), queue.cancel(job.id)];
    writing.open();
    for (const one of both) assert.equal((await one).status, 'cancelled');
    assert.deepEqual(ended, [job.id]);
    await queue.close();
  });

  test('says why a job cannot be begun whose pipeline is gone', async () => {
    const gone = new HttpError(404, 'model_not_found', 'model: there is no "x" here; name another');
    const { queue } = place({
      openOf: () => {
        throw gone;
      },
    });
    await queue.start();
    const job = jobOf(1);
    await queue.add(job);
    await until(() => job.status === 'failed');
    assert.deepEqual(job.error, gone.body);
    await queue.close();
  });
});
