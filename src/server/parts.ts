/** What the routes share. */
import type { EngineChild } from './engine/child.js';
import type { BodyLimits } from './http/body.js';
import type { Guard } from './http/guard.js';
import type { CreateParts } from './jobs/create.js';
import type { Events } from './jobs/events.js';
import type { JobRecord } from './jobs/job.js';
import type { Queue } from './jobs/queue.js';
import type { Loras } from './loras.js';
import type { Metrics } from './metrics.js';
import type { Models } from './models.js';
import type { Files } from './store/files.js';
import type { Shelf } from './store/shelf.js';
import type { Training } from './training/training.js';

export interface ServerParts {
  jobs: Shelf<JobRecord>;
  queue: Queue;
  events: Events;
  files: Files;
  models: Models;
  /** makes results, one after the other */
  engine: EngineChild;
  /** looks at requests and files, also while the engine works */
  checker: EngineChild;
  create: CreateParts;
  training: Training;
  loras: Loras;
  guard: Guard;
  metrics: Metrics;
  body: BodyLimits;
  maxQueue: number;
  startedMs: number;
}
