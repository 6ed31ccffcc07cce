/** Jobs and results, kept as the server's events say. */
import { batch, computed, signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { Job, Queue, StudioEvent } from '../api/types.js';
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
import { attempt } from './messages.js';
import { mergeTraining } from './training.js';

export const states = signal(NO_JOBS);
/** whether events arrive */
export const connected = signal(false);
export const queue = signal<Queue | null>(null);
/** whether the server has older results than those that are known */
export const hasMore = signal(false);

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
let oldest: string | null = null;

export function startJobs(): void {
  const listener = {
    onState: (open: boolean) => {
      connected.value = open;
    },
    onEvent: take,
  };
  void api.follow(listener, new AbortController().signal);
}

function take(event: StudioEvent): void {
  if (event.type === 'resync') void attempt(reload);
  else if (event.type === 'queue') queue.value = event.queue;
  else if (event.type === 'fine_tuning') mergeTraining(event.job);
  else states.value = mergeEvent(states.value, event);
}

async function reload(): Promise<void> {
  const [open, recent] = await Promise.all([api.queue(), api.jobs({ limit: PAGE })]);
  const { running: first, data } = open;
  batch(() => {
    queue.value = open;
    states.value = mergeList(
      replaceOpen(states.value, first ? [first, ...data] : data),
      recent.data,
    );
    hasMore.value = recent.has_more === true;
  });
  oldest = recent.last_id ?? null;
}

export async function loadMore(): Promise<void> {
  const page = await attempt(() => api.jobs({ limit: PAGE, after: oldest ?? '' }));
  if (!page) return;
  states.value = mergeList(states.value, page.data);
  hasMore.value = page.has_more === true;
  oldest = page.last_id ?? null;
}

/** A job that may be older than those that are known. */
export async function find(id: string): Promise<Job | null> {
  const job = jobOf(id) ?? (await attempt(() => api.job(id)));
  if (job) add([job]);
  return job;
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
  if (now) queue.value = now;
}

export async function reorder(ids: readonly string[]): Promise<void> {
  const now = await attempt(() => api.reorderQueue(ids));
  if (!now) return;
  queue.value = now;
  add(now.data);
}
