/**
 * A thread that makes samples for the feed. Its `workerData` is the file of the user's own tasks,
 * or null.
 */
import { workerData } from 'node:worker_threads';
import { limited } from '../../data/limited.js';
import { serveJobs } from '../../data/worker-pool.js';
import { loadTasks, NO_OWN_TASKS } from '../../tasks/index.js';
import { buffersOfResult, makeSample, type SampleJob } from './make-sample.js';

/** Number of samples in progress at once: while one waits for ffmpeg, another computes. */
const AT_ONCE = 2;

const file = workerData as string | null;
const { tasks } = file === null ? NO_OWN_TASKS : await loadTasks(file);

serveJobs(
  limited(AT_ONCE, (job: SampleJob) => makeSample(job, { tasks })),
  buffersOfResult,
);
