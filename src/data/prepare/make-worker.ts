/** The thread that plans and makes clips for `prepare`. */
import { InputError } from '../../errors.js';
import { limited } from '../limited.js';
import type { DataItem } from '../sources/items.js';
import { serveJobs } from '../worker-pool.js';
import {
  type ClipSettings,
  copyWhole,
  type Made,
  makePart,
  type Part,
  type Plan,
  planItem,
} from './make-clips.js';

export type MakeJob = { item: DataItem; settings: ClipSettings } & (
  | { kind: 'plan' }
  | { kind: 'whole'; folder: string; key: string }
  | { kind: 'part'; folder: string; key: string; plan: Plan & { kind: 'parts' }; part: Part }
);
export type MakeResult = Plan | Made | { problem: string };

/** Jobs at once in this thread; few, because ffmpeg's encoder has threads of its own. */
const AT_ONCE = 2;

async function make(job: MakeJob): Promise<MakeResult> {
  const { item, settings } = job;
  try {
    if (job.kind === 'plan') return await planItem(item, settings);
    if (job.kind === 'whole') return await copyWhole(item, settings, job);
    return await makePart(item, job.plan, job.part, job);
  } catch (error) {
    if (error instanceof InputError) return { problem: error.message };
    throw error;
  }
}

serveJobs(limited(AT_ONCE, make));
