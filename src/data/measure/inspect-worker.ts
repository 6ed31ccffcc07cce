/** The thread that opens items for `checkItems`. */

import { limited } from '../limited.js';
import { serveJobs } from '../worker-pool.js';
import { inspectItem } from './inspect.js';

/**
 * Items processed at once: while one waits for ffmpeg, others
 * compute; few, since each holds frames in memory.
 */
const AT_ONCE = 3;

serveJobs(limited(AT_ONCE, inspectItem));
