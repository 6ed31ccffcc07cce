/** What a run says of itself while it is open; the first process of a job alone does. */
import type { RunStatus } from './status.js';

export type RunEvent =
  | StatusEvent
  | { type: 'metrics'; part: string; step: number; time: string; figures: Record<string, number> }
  | { type: 'checkpoint'; part: string; step: number; folder: string }
  | { type: 'sample'; part: string; step: number; path: string };

/** Where the run stands, as in its status.json. */
type StatusEvent = { type: 'status' } & Omit<RunStatus, 'updated' | 'pid' | 'host'>;
