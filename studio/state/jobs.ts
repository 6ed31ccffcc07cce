/** Jobs and results, kept as the server's events say. */
import { batch, computed, signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { EventData, Job } from '../api/types.js';
import {
  isOver,
  isRunning,
  isWaiting,
  mergeEvent,
  mergeList,
  NO_JOBS,
  newestFirst,
  replaceOpen,
} from '../logic/job-state.js';
import { NOTHING_KNOWN, oldestOf, withNewest, withOlder } from '../logic/older.js';
import { attempt } from './messages.js';

export const states = signal(NO_JOBS);
/** whether no more jobs are begun */
export const paused = signal(false);

export const allJobs = computed(() => newestFirst(states.value.jobs.values()));
export const running = computed(() => allJobs.value.filter(isRunning));
export const waiting = computed(() =>
  allJobs.value
    .filter(isWaiting)
    .sort(
      (a, b) => (a.queue_position ?? 0) - (b.queue_position ?? 0) || a.created_at - b.created_at,
    ),
);
export const results = computed(() => allJobs.value.filter(isOver));

export const jobOf = (id: string): Job | undefined => states.value.jobs.get(id);

/** Results that are asked for at once. */
const PAGE = '24';
const known = signal(NOTHING_KNOWN);
/** whether the server has older results than those that are known */
export const hasMore = computed(() => known.value.hasMore);

/** whether the jobs were read, so that those that are known are those that there are */
export const areRead = signal(false);

/** Takes in an event that is about jobs or their queue. */
export function takeJobEvent(event: EventData): void {
  if (event.type === 'queue') paused.value = event.queue.paused;
  else states.value = mergeEvent(states.value, event);
}

/** Reads the queue and the newest jobs. @throws ApiError */
export async function readJobs(): Promise<void> {
  const [open, recent] = await Promise.all([api.queue(), api.jobs({ limit: PAGE })]);
  const { running: first, data } = open;
  batch(() => {
    paused.value = open.paused;
    states.value = mergeList(
      replaceOpen(states.value, first ? [first, ...data] : data),
      recent.data,
    );
    known.value = withNewest(known.value, recent);
    areRead.value = true;
  });
}

export const loadMore = () =>
  attempt(async () => {
    const after = oldestOf(known.value, states.value.deleted);
    const page = await api
      .jobs(after ? { limit: PAGE, after } : { limit: PAGE })
      .catch((cause: unknown) => {
        if (cause instanceof api.ApiError && cause.problem.param === 'after') return null;
        throw cause;
      });
    // the oldest one was deleted while the page could not hear of it
    if (!page) {
      known.value = NOTHING_KNOWN;
      return readJobs();
    }
    states.value = mergeList(states.value, page.data);
    known.value = withOlder(known.value, page);
  });

/**
 * Looks for a job that may be older than those that are known.
 *
 * @returns  whether there is one; null if the server cannot say so now
 */
export async function find(id: string): Promise<boolean | null> {
  try {
    add([await api.job(id)]);
    return true;
  } catch (cause) {
    if (!(cause instanceof api.ApiError)) throw cause;
    return cause.status === 404 ? false : null;
  }
}

export function add(jobs: readonly Job[]): void {
  states.value = mergeList(states.value, jobs);
}

export async function stop(id: string): Promise<void> {
  const job = await attempt(() => api.cancel(id));
  if (job) add([job]);
}

export async function remove(id: string): Promise<void> {
  const done = await attempt(() => api.remove(id).then(() => true));
  if (done) states.value = mergeEvent(states.value, { type: 'deleted', video: { id } });
}

export async function again(id: string): Promise<Job | null> {
  const job = await attempt(() => api.remix(id, { seed: null }));
  if (job) add([job]);
  return job;
}

export async function steerQueue(way: 'pause' | 'resume'): Promise<void> {
  const now = await attempt(way === 'pause' ? api.pauseQueue : api.resumeQueue);
  if (now) paused.value = now.paused;
}

export async function reorder(ids: readonly string[]): Promise<void> {
  const now = await attempt(() => api.reorderQueue(ids));
  if (!now) return;
  paused.value = now.paused;
  add(now.data);
}
