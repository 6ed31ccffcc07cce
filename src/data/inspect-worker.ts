/** The thread that opens items for `checkItems`. */
import { inspectItem } from './inspect.js';
import { limited } from './limited.js';
import { serveJobs } from './loader.js';

/** Items under way at once: while one waits for ffmpeg others compute, and their frames stay few. */
const AT_ONCE = 3;

serveJobs(limited(AT_ONCE, inspectItem));
