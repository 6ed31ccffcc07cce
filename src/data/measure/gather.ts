/**
 * Collects the facts of a data set's items. They are measured once, in worker threads, and stored by the
 * files' contents: moved or copied files are not measured again, changed ones are.
 */
import { statSync } from 'node:fs';
import { MfmError } from '../../errors.js';
import type { SampleFacts } from '../sources/facts.js';
import type { DataFile, DataItem, Entry } from '../sources/items.js';
import { type DataStore, keyOf } from '../store.js';
import { wordsIn } from '../words.js';
import { ahead, createWorkerPool, workerBeside } from '../worker-pool.js';
import { usableFacts } from './inspect.js';

/** Version of what `inspectItem` measures; raising it invalidates stored facts. */
export const MEASURES = 3;

export interface GatheredItem {
  item: DataItem;
  facts: SampleFacts;
  /** frame rate of a clip, if its file states it */
  fps: number | null;
  /** identifies the contents of the files and the part of them that is used */
  content: string;
}

export interface SkippedItem {
  where: string;
  /** one sentence */
  reason: string;
}

export interface GatherOptions {
  /** default: facts are not stored */
  store?: DataStore | null;
  workers?: number;
  signal?: AbortSignal;
  onProgress?: (done: number) => void;
}

export type GatherJob =
  | { kind: 'hash'; item: DataItem; stamps: (string | null)[] }
  | { kind: 'inspect'; item: DataItem };
export type GatherResult =
  | { kind: 'hash'; hashes: string[] }
  | ({ kind: 'inspect' } & Kept)
  | { kind: 'problem'; problem: string };

/** An item, and the reasons why some of its files are not used. */
type Gathered = GatheredItem & Pick<Kept, 'mismatches' | 'notes'>;
interface Kept {
  facts: SampleFacts;
  fps: number | null;
  mismatches: string[];
  /** notes from reading the files */
  notes: string[];
}

/**
 * The usable items in the order of their entries, the skipped ones, and the notes from reading the
 * usable ones.
 *
 * @throws JobError if ffmpeg cannot be run; the signal's reason once it is aborted
 */
export async function gatherItems(
  entries: readonly Entry[],
  { store = null, workers, signal, onProgress }: GatherOptions = {},
): Promise<{ items: GatheredItem[]; skipped: SkippedItem[]; notes: string[] }> {
  const pool = gatherPool(workers, signal);
  const items: GatheredItem[] = [];
  const skipped: SkippedItem[] = [];
  const notes: string[] = [];
  let done = 0;

  async function gather(entry: Entry): Promise<Gathered | SkippedItem> {
    const { where } = entry;
    if ('problem' in entry) return { where, reason: entry.problem.message };
    const { item } = entry;
    // training draws its own masks
    const plain = { ...item, mask: null };
    const hashes = await contentHashes(item, store, (job) => pool.run(job));
    if (typeof hashes === 'string') return { where, reason: hashes };
    const roles = [item.target !== null, item.depth !== null];
    const content = keyOf('content', hashes, roles, item.part);
    const key = keyOf('facts', MEASURES, content, item.kind, item.stated, words(item));
    const bytes = store?.get(key);
    let kept = bytes ? (JSON.parse(Buffer.from(bytes).toString()) as Kept) : null;
    if (!kept) {
      const result = await pool.run({ kind: 'inspect', item: plain });
      if (result.kind === 'problem') return { where, reason: result.problem };
      kept = result as Kept;
      store?.put(key, Buffer.from(JSON.stringify(kept)));
    }
    const { fps, mismatches, notes } = kept;
    return { item, facts: usableFacts(kept), fps, content, mismatches, notes };
  }

  try {
    for await (const result of ahead(entries, AHEAD, gather)) {
      signal?.throwIfAborted();
      if ('reason' in result) skipped.push(result);
      else {
        const { mismatches, notes: said, ...item } = result;
        items.push(item);
        notes.push(...said);
        for (const reason of mismatches) skipped.push({ where: item.item.where, reason });
      }
      onProgress?.(++done);
    }
    return { items, skipped, notes };
  } finally {
    await pool.close();
    await store?.flush();
  }
}

/** Items in progress at once, so that a slow one does not hold up the threads. */
const AHEAD = 32;

function gatherPool(workers?: number, signal?: AbortSignal) {
  const url = workerBeside(import.meta.url, 'gather-worker');
  const describe = ({ item }: GatherJob) => item.where;
  return createWorkerPool<GatherJob, GatherResult>(url, { workers, describe, signal });
}

/** The files that a training sample is made from. */
export const filesOf = ({ media, target, depth }: DataItem): DataFile[] =>
  [media, target, depth].filter((file) => file !== null);

/**
 * Hashes of the item's files, or a problem; hashes stored for
 * the same path, size and time are reused.
 */
async function contentHashes(
  item: DataItem,
  store: DataStore | null,
  run: (job: GatherJob) => Promise<GatherResult>,
): Promise<string[] | string> {
  const stamps = filesOf(item).map(stampOf);
  const known = stamps.map((stamp) => {
    const bytes = stamp === null ? null : store?.get(stamp);
    return bytes ? Buffer.from(bytes).toString() : null;
  });
  if (known.every((hash) => hash !== null)) return known;
  const result = await run({ kind: 'hash', item, stamps: known });
  if (result.kind === 'problem') return result.problem;
  if (result.kind !== 'hash') throw new MfmError(`${item.where}: got no hash`);
  result.hashes.forEach((hash, i) => {
    const stamp = stamps[i];
    if (stamp) store?.put(stamp, Buffer.from(hash));
  });
  return result.hashes;
}

/** null for a folder, whose time does not reflect its files, and for a missing file. */
function stampOf({ path, member }: DataFile): string | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) return null;
  const place = member && [member.offset, member.size];
  return keyOf('hash', path, place, stats.size, stats.mtimeMs);
}

/** The only fact about a caption is its number of words. */
const words = ({ prompt }: DataItem): number => wordsIn(prompt);
