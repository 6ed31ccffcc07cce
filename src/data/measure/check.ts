/** Opens every item of a data set in worker threads and reports its problems. */
import { availableParallelism } from 'node:os';
import { type CaptionLimit, RELEASED } from '../caption-length.js';
import type { DataItem, Entry } from '../sources/items.js';
import { createWorkerPool, workerBeside } from '../worker-pool.js';
import { DuplicateFinder } from './duplicates.js';
import type { Inspected, Inspection } from './inspect.js';
import { type Finding, findingsOf, type Limits, MIN_FRAMES } from './verdicts.js';

export interface CheckedItem {
  /** `manifest.jsonl:3`, or the file */
  where: string;
  /** the file that was opened; null if the row could not be read or its item not opened */
  name: string | null;
  item: DataItem | null;
  /** null if it cannot be opened */
  inspection: Inspection | null;
  /** length in seconds; null for pictures and for clips of unknown frame rate */
  seconds: number | null;
  findings: Finding[];
}

export interface CheckOptions {
  /** clips with fewer frames are too short */
  minFrames?: number;
  /** default: the limit of the released pipelines, with estimated token counts */
  caption?: CaptionLimit;
  /** threads; by default one per processor */
  workers?: number;
  signal?: AbortSignal;
}

/**
 * Yields the results in the order of the entries.
 *
 * @throws JobError if ffmpeg cannot be run; the signal's reason once it is aborted
 */
export async function* checkItems(
  entries: readonly Entry[],
  options: CheckOptions = {},
): AsyncGenerator<CheckedItem> {
  const { workers = availableParallelism(), signal } = options;
  const { minFrames = MIN_FRAMES, caption = RELEASED } = options;
  const pool = inspectionPool(workers, signal);
  const duplicates = new DuplicateFinder();
  try {
    const opened = pool.stream(entries.flatMap((entry) => ('item' in entry ? [entry.item] : [])));
    for (const entry of entries) {
      if ('problem' in entry) {
        yield { ...unopened(entry.where), findings: [unreadable(entry.problem.message)] };
        continue;
      }
      const { value } = await opened.next();
      signal?.throwIfAborted();
      yield checked(entry.item, value as Inspected, duplicates, { minFrames, caption });
    }
  } finally {
    await pool.close();
  }
}

/** Threads that open items; each has several in progress, so that none idles while ffmpeg works. */
function inspectionPool(workers: number, signal?: AbortSignal) {
  // results come in order, so a long queue keeps a slow item from holding up the threads
  const queue = 16 * workers;
  return createWorkerPool<DataItem, Inspected>(workerBeside(import.meta.url, 'inspect-worker'), {
    workers,
    queue,
    signal,
    describe: ({ where }) => where,
  });
}

function checked(
  item: DataItem,
  inspected: Inspected,
  duplicates: DuplicateFinder,
  limits: Limits,
): CheckedItem {
  const { where } = item;
  const { name } = item.target ?? item.media;
  if ('problem' in inspected) {
    return { ...unopened(where), name, item, findings: [unreadable(inspected.problem)] };
  }
  const { facts, fps } = inspected;
  const isClip = facts.kind === 'clip';
  return {
    where,
    name,
    item,
    inspection: inspected,
    seconds: isClip && fps !== null ? facts.numFrames / fps : null,
    findings: findingsOf(item, inspected, duplicates.check(where, inspected), limits),
  };
}

const unreadable = (text: string): Finding => ({ verdict: 'unreadable', text });

const unopened = (where: string): CheckedItem => ({
  where,
  name: null,
  item: null,
  inspection: null,
  seconds: null,
  findings: [],
});
