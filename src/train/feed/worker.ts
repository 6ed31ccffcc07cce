/** The thread that makes samples for the feed. */
import { limited } from '../../data/limited.js';
import { serveJobs } from '../../data/worker-pool.js';
import { buffersOfResult, makeSample } from './make-sample.js';

/** Samples under way at once: while one waits for ffmpeg others compute. */
const AT_ONCE = 2;

serveJobs(limited(AT_ONCE, makeSample), buffersOfResult);
