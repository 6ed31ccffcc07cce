import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EventData, Job, Preview } from '../../studio/api/types.js';
import {
  mergeEvent,
  mergeList,
  NO_JOBS,
  newestFirst,
  replaceOpen,
} from '../../studio/logic/job-state.js';

const job = (id: string, more: Partial<Job>): Job =>
  ({ id, status: 'queued', progress: 0, attempts: 0, created_at: 1, ...more }) as Job;
const queued = job('v', {});
const running = (progress: number, attempts = 1) =>
  job('v', { status: 'in_progress', progress, attempts });
const done = job('v', { status: 'completed', progress: 100, attempts: 1 });
const preview = { b64_json: 'AAAA', step: 3, steps: 8 } as Preview;

const after = (...events: readonly EventData[]) => events.reduce(mergeEvent, NO_JOBS);
const began: EventData = { type: 'started', video: running(0) };

describe('the state of jobs', () => {
  test('follows the events of a job to its end', () => {
    const states = after({ type: 'queued', video: queued }, began, {
      type: 'progress',
      video: running(40),
    });
    assert.equal(states.jobs.get('v')!.progress, 40);
    assert.equal(
      mergeEvent(states, { type: 'completed', video: done }).jobs.get('v')!.status,
      'completed',
    );
  });

  test('is not taken back by a list that was asked for earlier', () => {
    const states = after(began, { type: 'progress', video: running(40) });
    assert.equal(mergeList(states, [queued]).jobs.get('v')!.status, 'in_progress');
    assert.equal(mergeList(states, [running(20)]).jobs.get('v')!.progress, 40);
    const over = mergeEvent(states, { type: 'completed', video: done });
    assert.equal(mergeList(over, [running(90)]).jobs.get('v')!.status, 'completed');
  });

  test('waits again when a restart of the server puts a running job back', () => {
    const back = after(
      began,
      { type: 'progress', video: running(70) },
      { type: 'queued', video: job('v', { attempts: 1 }) },
    );
    assert.equal(back.jobs.get('v')!.status, 'queued');
    const again = mergeEvent(back, { type: 'started', video: running(0, 2) });
    assert.equal(again.jobs.get('v')!.attempts, 2);
    assert.equal(mergeList(again, [running(70, 1)]).jobs.get('v')!.attempts, 2);
  });

  test('has the newest preview of a job while it is made, and none afterwards', () => {
    const states = after(began, { type: 'preview', video: running(30), preview });
    assert.equal(states.previews.get('v'), preview);
    const over = mergeEvent(states, { type: 'cancelled', video: { ...done, status: 'cancelled' } });
    assert.equal(over.previews.size, 0);
    assert.equal(
      mergeEvent(over, { type: 'preview', video: running(40), preview }).previews.size,
      0,
    );
  });

  test('forgets what was deleted, also if an older list still has it', () => {
    const states = after(
      { type: 'completed', video: done },
      { type: 'deleted', video: { id: 'v' } },
    );
    assert.equal(mergeList(states, [done]).jobs.size, 0);
  });

  test('has no job open that the server no longer lists', () => {
    const states = after(
      { type: 'queued', video: queued },
      { type: 'queued', video: job('w', {}) },
    );
    assert.deepEqual([...replaceOpen(states, [job('w', {})]).jobs.keys()], ['w']);
    const over = mergeEvent(states, { type: 'completed', video: done });
    assert.ok(replaceOpen(over, []).jobs.has('v'));
  });

  test('shows the newest first', () => {
    const jobs = [
      job('a', { created_at: 1 }),
      job('c', { created_at: 3 }),
      job('b', { created_at: 2 }),
    ];
    assert.deepEqual(
      newestFirst(jobs).map(({ id }) => id),
      ['c', 'b', 'a'],
    );
  });
});
