/** The thread that makes batches of MiniWorld samples for `miniWorldLoader`. */
import { serveJobs } from '../loader.js';
import { makeBatch } from './batch.js';

serveJobs(makeBatch, (batch) => [batch.frames.buffer, batch.depth.buffer, batch.masks.buffer]);
