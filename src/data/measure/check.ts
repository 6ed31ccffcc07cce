/** Opens every item of a data set in worker threads and says what is wrong with it. */
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
  /** the file that was opened; null for a row that says none */
  name: string | null;
  item: DataItem | null;
  /** null if it cannot be opened */
  inspection: Inspection | null;
  /** length in seconds; null for pictures and for clips that do not say their rate */
  seconds: number | null;
  findings: Finding[];
}

export interface CheckOptions {
  /** clips of fewer frames are too short */
  minFrames?: number;
  /** default: the released pipelines', estimated */
  caption?: CaptionLimit;
  /** threads; by default one per processor */
  workers?: number;
  signal?: AbortSignal;
}

/**
 * Results in the order of the entries.
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

/** Threads that open items; each has several under way, so that none waits for ffmpeg alone. */
function inspectionPool(workers: number, signal?: AbortSignal) {
  // a slow item must not keep the others waiting for its turn to be told
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
