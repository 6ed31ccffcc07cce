/** The jobs as the page knows them: lists and events of the server, merged. */
import type { EventData, Job, Preview } from '../api/types.js';

export interface JobStates {
  jobs: ReadonlyMap<string, Job>;
  /** the newest picture of each job that is being made */
  previews: ReadonlyMap<string, Preview>;
  /** what was deleted, so that a list that was asked for before does not bring it back */
  deleted: ReadonlySet<string>;
}

export const NO_JOBS: JobStates = { jobs: new Map(), previews: new Map(), deleted: new Set() };

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

export const isOver = ({ status }: Pick<Job, 'status'>): boolean => ENDS.has(status);
export const isWaiting = ({ status }: Pick<Job, 'status'>): boolean => status === 'queued';
export const isRunning = ({ status }: Pick<Job, 'status'>): boolean => status === 'in_progress';

/** Takes in what an event says. Events of the queue, of trainings and `resync` change nothing here. */
export function mergeEvent(states: JobStates, event: EventData): JobStates {
  switch (event.type) {
    case 'queued':
    case 'started':
    case 'progress':
    case 'completed':
    case 'failed':
    case 'cancelled':
      return mergeJob(states, event.video);
    case 'preview':
      return withPreview(mergeJob(states, event.video), event.video.id, event.preview);
    case 'deleted':
      return without(states, event.video.id);
    default:
      return states;
  }
}

/** Takes in a list, which may be older than events that came meanwhile. */
export const mergeList = (states: JobStates, list: readonly Job[]): JobStates =>
  list.reduce(mergeJob, states);

/** What is shown after a break is what the server says: jobs that it no longer lists are gone. */
export function replaceOpen(states: JobStates, open: readonly Job[]): JobStates {
  const listed = new Set(open.map(({ id }) => id));
  const lost = [...states.jobs.values()].filter((job) => !isOver(job) && !listed.has(job.id));
  return mergeList(
    lost.reduce((left, { id }) => forget(left, id), states),
    open,
  );
}

function mergeJob(states: JobStates, job: Job): JobStates {
  const known = states.jobs.get(job.id);
  if (states.deleted.has(job.id) || (known && isOlder(job, known))) return states;
  const jobs = new Map(states.jobs).set(job.id, job);
  if (!isOver(job)) return { ...states, jobs };
  const previews = new Map(states.previews);
  previews.delete(job.id);
  return { ...states, jobs, previews };
}

/**
 * Whether `job` was said before what is known: an end is final, and `attempts` counts the starts. A job
 * that waits although it was started as often as the running one was put back by a restart.
 */
function isOlder(job: Job, known: Job): boolean {
  if (isOver(known)) return true;
  if (isOver(job)) return false;
  if (job.attempts !== known.attempts) return job.attempts < known.attempts;
  return isRunning(known) && isRunning(job) && job.progress < known.progress;
}

function withPreview(states: JobStates, id: string, preview: Preview): JobStates {
  const job = states.jobs.get(id);
  if (!job || isOver(job)) return states;
  return { ...states, previews: new Map(states.previews).set(id, preview) };
}

function without(states: JobStates, id: string): JobStates {
  return { ...forget(states, id), deleted: new Set(states.deleted).add(id) };
}

function forget(states: JobStates, id: string): JobStates {
  const jobs = new Map(states.jobs);
  const previews = new Map(states.previews);
  jobs.delete(id);
  previews.delete(id);
  return { ...states, jobs, previews };
}

/** Newest first. */
export const newestFirst = (jobs: Iterable<Job>): Job[] =>
  [...jobs].sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1));
