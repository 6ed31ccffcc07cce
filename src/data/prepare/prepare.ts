/**
 * Makes a data set of short clips from long videos: splits them at scene cuts, measures the clips, drops
 * duplicates, estimates depth, and packs everything into WebDataset shards with a manifest. It can be
 * stopped at any moment; run again, it resumes, with the same result as without the stop.
 */

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { writeAtomically } from '../../files/atomic.js';
import { makeFolder } from '../../files/make-folder.js';
import { takeLock } from '../../processes/lock.js';
import { DuplicateFinder } from '../measure/duplicates.js';
import { sizeOf } from '../sources/data-file.js';
import type { DataItem, Entry } from '../sources/items.js';
import { ahead, createWorkerPool, type WorkerPool, workerBeside } from '../worker-pool.js';
import { type DepthEstimator, writeDepth } from './depth-file.js';
import { type ItemRecord, Journal } from './journal.js';
import type { ClipSettings, Made, Plan, StagedFile } from './make-clips.js';
import type { MakeJob, MakeResult } from './make-worker.js';
import { ShardWriter } from './shard-writer.js';

export interface PrepareSettings extends ClipSettings {
  /** index of this machine, from 1, and their number; each processes its own share of the entries */
  shard: { index: number; count: number };
  /** clips per shard */
  shardSize: number;
  /** name of the depth model, if any, for the journal */
  depthModel: string | null;
}

export interface PrepareOptions {
  estimate?: DepthEstimator;
  workers?: number;
  signal?: AbortSignal;
  /** called with the bytes of the sources that are done, all their bytes, and the clips so far */
  onProgress?: (done: number, total: number, clips: number) => void;
}

export interface PrepareSummary {
  manifest: string;
  shards: string[];
  items: ItemRecord[];
}

type Pool = WorkerPool<MakeJob, MakeResult>;

/**
 * @param entries  the same list on every machine
 * @throws InputError if the folder holds another preparation, or one that another process is at; the
 *   signal's reason once it is aborted
 */
export async function prepare(
  entries: readonly Entry[],
  folder: string,
  settings: PrepareSettings,
  options: PrepareOptions = {},
): Promise<PrepareSummary> {
  const suffix = suffixOf(settings);
  makeFolder(folder);
  const lock = takeLock(join(folder, `.prepare${suffix}.lock`));
  if ('heldBy' in lock) {
    const { pid, host } = lock.heldBy;
    throw new InputError(
      `${folder}: is being prepared by process ${pid} of ${host}; wait for it or stop it, or name another folder`,
    );
  }
  try {
    await expectOwn(folder, suffix);
    return await prepareShare(entries, folder, settings, options);
  } finally {
    lock.release();
  }
}

/** Ends the names of what a machine makes, if there are several. */
const suffixOf = ({ shard: { index, count } }: PrepareSettings): string =>
  count === 1 ? '' : `-${index}of${count}`;

/** The share of this machine. */
async function prepareShare(
  entries: readonly Entry[],
  folder: string,
  settings: PrepareSettings,
  { estimate, workers = availableParallelism(), signal, onProgress }: PrepareOptions = {},
): Promise<PrepareSummary> {
  const { index, count } = settings.shard;
  const own = entries.flatMap((entry, number) =>
    number % count === index - 1 ? [{ entry, number }] : [],
  );
  const suffix = suffixOf(settings);
  const staging = join(folder, `.prepare${suffix}`);
  const journal = await Journal.open(`${staging}.jsonl`, settingsLine(settings, entries));
  const pool: Pool = createWorkerPool(workerBeside(import.meta.url, 'make-worker'), {
    workers,
    signal,
    describe: ({ item }) => item.where,
  });
  try {
    mkdirSync(staging, { recursive: true });
    const shards = new ShardWriter(folder, staging, suffix, settings.shardSize);
    const duplicates = new DuplicateFinder();
    const items: ItemRecord[] = [];
    for (const record of journal.items) {
      for (const clip of record.clips) duplicates.check(clip.key, clip);
      await shards.add(record.clips);
      items.push(record);
    }
    await shards.cleanUp();

    const progress = new SourceProgress(
      own.map(({ entry }) => entry),
      onProgress,
    );
    progress.skip(items.length);
    const context = { pool, staging, settings, progress };
    const results = ahead(own.slice(items.length), 2 * workers, ({ entry, number }) =>
      makeItem(entry, number, context),
    );
    for await (const result of results) {
      // Ctrl-C ends ffmpeg too, which must not be recorded as a problem of the item
      signal?.throwIfAborted();
      const record = await finish(result, { duplicates, staging, estimate });
      signal?.throwIfAborted();
      await journal.add(record);
      await shards.add(record.clips);
      items.push(record);
      progress.finish(record.clips.length);
    }
    await shards.end();
    const manifest = join(folder, `manifest${suffix}.jsonl`);
    const text = shards.rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    await writeAtomically(manifest, (temporary) => writeFile(temporary, text));
    await rm(staging, { recursive: true });
    return { manifest, shards: shards.names, items };
  } catch (error) {
    signal?.throwIfAborted(); // takes precedence over whatever else failed
    throw error;
  } finally {
    await Promise.all([pool.close(), journal.close()]);
  }
}

interface Result {
  entry: Entry;
  /** for each clip its files and facts, or a problem */
  made: { key: string; result: Made | { problem: string } }[];
  tooShort: number;
  notes: string[];
}

interface MakeContext {
  pool: Pool;
  staging: string;
  settings: PrepareSettings;
  progress: SourceProgress;
}

/** Lets the worker threads make the clips of one item in the staging folder. */
async function makeItem(
  entry: Entry,
  number: number,
  { pool, staging, settings, progress }: MakeContext,
): Promise<Result> {
  const key = (part: number) =>
    `${String(number).padStart(6, '0')}-${String(part).padStart(4, '0')}`;
  const failed = (problem: string): Result => ({
    entry,
    tooShort: 0,
    notes: [],
    made: [{ key: key(0), result: { problem } }],
  });
  if ('problem' in entry) return failed(entry.problem.message);
  const { item } = entry;
  const base = { item, settings, folder: staging };
  const plan = (await pool.run({ kind: 'plan', item, settings })) as Plan | { problem: string };
  progress.step(number, 0.3);
  if ('problem' in plan) return failed(plan.problem);
  const jobs: (MakeJob & { key: string })[] =
    plan.kind === 'whole'
      ? [{ ...base, kind: 'whole', key: key(0) }]
      : plan.parts.map((part, i) => ({ ...base, kind: 'part', key: key(i), plan, part }));
  let ready = 0;
  const made = await Promise.all(
    jobs.map(async (job) => {
      const result = (await pool.run(job)) as Made | { problem: string };
      progress.step(number, 0.3 + (0.7 * ++ready) / jobs.length);
      return { key: job.key, result };
    }),
  );
  // an item that stays whole is inspected after it has been copied
  const { tooShort, notes } =
    plan.kind === 'parts'
      ? plan
      : {
          tooShort: 0,
          notes: made.flatMap(({ key, result }) =>
            'problem' in result ? [] : ownNotes(result, key, item.media.name),
          ),
        };
  return { entry, made, tooShort, notes };
}

/** Notes on a copied file, with the name of its source in place of the copy's. */
const ownNotes = ({ inspection }: Made, key: string, name: string): string[] =>
  inspection.notes.map((note) => note.replace(new RegExp(`^${key}\\.\\w+`), name));

/** Drops duplicate clips, and adds depth, caption and facts to the others. */
async function finish(
  { entry, made, tooShort, notes }: Result,
  context: { duplicates: DuplicateFinder; staging: string; estimate?: DepthEstimator },
): Promise<ItemRecord> {
  const { duplicates, staging, estimate } = context;
  const record: ItemRecord = {
    where: entry.where,
    clips: [],
    tooShort,
    problems: [],
    duplicates: [],
    notes,
  };
  for (const { key, result } of made) {
    if ('problem' in result) {
      // do not mention the staging folder
      record.problems.push(result.problem.replaceAll(`${staging}/`, `${entry.where} `));
      continue;
    }
    const { files, inspection } = result;
    const { contentHash, hashes } = inspection;
    const duplicate = duplicates.check(key, { contentHash, hashes });
    if (duplicate) {
      for (const { name } of files) await rm(join(staging, name), { force: true });
      record.duplicates.push(`${key} of ${duplicate.of}`);
      continue;
    }
    const { item } = entry as { item: DataItem };
    const row = rowOf(item, made.length > 1 ? Number(key.split('-')[1]) : null, result);
    const isImage = inspection.facts.kind === 'image';
    const all = [...files];
    // the depth of an edit is that of its result
    const media =
      files.find(({ role }) => role === 'target') ?? files.find(({ role }) => role === 'media')!;
    if (estimate && !files.some(({ role }) => role === 'depth')) {
      const path = await writeDepth(
        join(staging, media.name),
        join(staging, `${key}.depth`),
        estimate,
      );
      if (path) all.push(await staged('depth', path));
    }
    all.push(await text(join(staging, `${key}.json`), `${JSON.stringify(row)}\n`));
    if (item.prompt !== '') all.push(await text(join(staging, `${key}.txt`), item.prompt));
    record.clips.push({ key, contentHash, hashes, files: all, row, isImage });
  }
  return record;
}

async function staged(role: StagedFile['role'], path: string): Promise<StagedFile> {
  return { role, name: path.split('/').at(-1)!, size: (await stat(path)).size };
}

async function text(path: string, content: string): Promise<StagedFile> {
  await writeAtomically(path, (temporary) => writeFile(temporary, content));
  return staged('text', path);
}

/** A clip's row of the manifest, including a few keys that are only for people. */
function rowOf(item: DataItem, part: number | null, { inspection }: Made): Record<string, unknown> {
  const { prompt, media } = item;
  const { motionScore, sharpness, watermark, text, width, height, numFrames, colourful } =
    inspection.facts;
  const round = (value: number | null) => (value === null ? null : Number(value.toPrecision(5)));
  return {
    ...(prompt === '' ? {} : { prompt }),
    // the file was stored whole, so the row must still say which part of it is used
    ...(part === null && (item.target ?? item.mask ?? item.depth) ? item.part : {}),
    motionScore: round(motionScore),
    sharpness: round(sharpness),
    ...(watermark ? { watermark } : {}),
    ...(text ? { text } : {}),
    width,
    height,
    numFrames,
    colourful,
    source: part === null ? media.name : `${media.name} part ${part}`,
  };
}

/** Progress in bytes of the sources. */
class SourceProgress {
  private readonly sizes: number[];
  private readonly shares = new Map<number, number>();
  private finished = 0;
  private clips = 0;
  constructor(
    entries: readonly Entry[],
    private readonly report: PrepareOptions['onProgress'],
  ) {
    this.sizes = entries.map((entry) => ('item' in entry ? sizeOf(entry.item.media) : 0) + 1);
  }

  skip(count: number): void {
    this.finished = count;
  }

  /** `number` counts the entries of all machines, so only the order of the numbers is used here. */
  step(number: number, share: number): void {
    this.shares.set(number, share);
    this.tell();
  }

  finish(clips: number): void {
    const first = Math.min(...this.shares.keys());
    this.shares.delete(first);
    this.finished++;
    this.clips += clips;
    this.tell();
  }

  private tell(): void {
    const total = this.sizes.reduce((sum, size) => sum + size, 0);
    let done = 0;
    for (let i = 0; i < this.finished; i++) done += this.sizes[i]!;
    const order = [...this.shares.entries()].sort(([a], [b]) => a - b);
    for (const [i, [, share]] of order.entries()) {
      done += share * (this.sizes[this.finished + i] ?? 0);
    }
    this.report?.(done, total, this.clips);
  }
}

/** Removes half-written files. @throws InputError for a manifest or shards that belong to no journal */
async function expectOwn(folder: string, suffix: string): Promise<void> {
  const half = new RegExp(
    `^\\.(shard${suffix}-\\d+\\.tar|manifest${suffix}\\.jsonl)\\.\\w+\\.tmp$`,
  );
  const names = await readdir(folder);
  // of this machine's share, and of others that share the folder
  const isPrepared = (name: string) => {
    const share = /^(?:shard|manifest)(-\d+of\d+)?(?:-\d+\.tar|\.jsonl)$/.exec(name);
    return share !== null && names.includes(`.prepare${share[1] ?? ''}.jsonl`);
  };
  for (const name of names) {
    if (half.test(name)) await rm(join(folder, name));
    else if (
      /^manifest.*\.jsonl$|\.tar$/.test(name) &&
      !name.startsWith('.') &&
      !isPrepared(name)
    ) {
      throw new InputError(`${join(folder, name)}: is there already; name another folder`);
    }
  }
}

/** Everything that the result depends on; the sources are represented by a hash. */
function settingsLine(settings: PrepareSettings, entries: readonly Entry[]): string {
  const sources = createHash('sha256');
  for (const entry of entries) sources.update(`${JSON.stringify(identityOf(entry))}\n`);
  return JSON.stringify({ ...settings, sources: sources.digest('hex') });
}

/** What is known of an entry without reading its files; it may lie elsewhere when it is resumed. */
function identityOf(entry: Entry): unknown {
  if ('problem' in entry) return entry.where;
  const { media, target, mask, depth, unread, ...item } = entry.item;
  const files = [media, target, mask, depth].map((file) => file && [file.name, sizeOf(file)]);
  return { ...item, files };
}
