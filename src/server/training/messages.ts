/** What the server and a training's process say to one another. */
import type { TrainEvent } from '../../train/index.js';
import type { ErrorBody } from '../schemas/error.js';

export type ToTraining =
  | { type: 'train'; recipe: Record<string, unknown>; run: string; resume: boolean }
  | { type: 'stop' };

export type FromTraining =
  | { type: 'event'; event: TrainEvent }
  | { type: 'ended'; finished: boolean }
  | { type: 'failed'; error: ErrorBody };
