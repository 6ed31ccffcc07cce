/** The events of an open run; only the first process of a job emits them. */
import type { RunStatus } from './status.js';

export type RunEvent =
  | StatusEvent
  | { type: 'metrics'; part: string; step: number; time: string; figures: Record<string, number> }
  | { type: 'checkpoint'; part: string; step: number; folder: string }
  | { type: 'sample'; part: string; step: number; path: string };

/** The state of the run, as in its status.json. */
type StatusEvent = { type: 'status' } & Omit<RunStatus, 'updated' | 'pid' | 'host'>;
