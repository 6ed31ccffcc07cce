/** Prepares samples for the model: from the cache if it holds them, otherwise in worker threads. */

import { type DataStore, keyOf } from '../../data/store.js';
import { createWorkerPool, type WorkerPool, workerBeside } from '../../data/worker-pool.js';
import { MfmError } from '../../errors.js';
import {
  type ConditionInputs,
  NO_OWN_TASKS,
  type OwnTasks,
  type Target,
} from '../../tasks/index.js';
import type { Tensor } from '../../tensor/index.js';
import { bucketName } from './buckets.js';
import {
  type LatentEncoder,
  latentsKey,
  packLatents,
  type StoredLatents,
  unpackLatents,
} from './encode/latents.js';
import {
  type MadeSample,
  makeSample,
  type Plane,
  PREPROCESSING,
  type SampleJob,
  type SampleResult,
} from './make-sample.js';
import { type Datasets, motionScoreAt, type SourceItem } from './sources.js';

export interface MakerOptions {
  /** the cache; null: nothing is cached */
  store: DataStore | null;
  /** also caches decoded frames, except MiniWorld's, which are as fast to draw */
  cacheFrames?: boolean;
  /** number of threads; default: one per processor, at most 4 */
  workers?: number;
  /** tasks beside those of mfm; for one without a file, condition inputs are made on this thread */
  ownTasks?: OwnTasks;
  /** data sets that sources name; their samples are made on this thread */
  datasets?: Datasets;
  /** called once for each file that cannot be read */
  onSkip?: (where: string, reason: string) => void;
}

export interface Wanted {
  item: SourceItem;
  target: Target;
  /** id of the task to make condition inputs for; null: none are made */
  task: string | null;
  /** seed of the random draws in that, and the label of their stream */
  seed: number;
  label: string;
}

/** A sample whose latents may still have to be encoded. */
export interface Ready {
  wanted: Wanted;
  given: ConditionInputs | null;
  stored: StoredLatents | null;
  made: MadeSample | null;
}

const PLANES: readonly Plane[] = ['clip', 'source', 'depth'];

/** Makes samples with a pool of threads; one per process is enough. */
export class SampleMaker {
  private readonly pool: WorkerPool<SampleJob, SampleResult>;
  private readonly skipped = new Set<string>();

  constructor(readonly options: MakerOptions) {
    this.pool = createWorkerPool(workerBeside(import.meta.url, 'worker'), {
      workers: options.workers,
      describe: ({ where }) => where,
      data: options.ownTasks?.file ?? null,
    });
  }

  /** Prepares all of a sample that needs no model; decodes only what is needed. */
  async prepare(wanted: Wanted, encoder: LatentEncoder): Promise<Ready | { problem: string }> {
    const { item, target, task } = wanted;
    const { store } = this.options;
    const key = latentsKey(item, target, encoder);
    const bytes = store?.get(key);
    const stored = bytes ? unpackLatents(bytes) : null;
    if (bytes && !stored) store?.drop(key);
    if (stored && task === null) return { wanted, stored, given: null, made: null };
    const made = await this.make(wanted, stored === null);
    if ('problem' in made) return made;
    return { wanted, stored, given: made.given, made };
  }

  /** Makes the pixels of a sample, and its condition inputs. */
  async make(wanted: Wanted, wantsClip: boolean): Promise<SampleResult> {
    const { item, target, task, seed, label } = wanted;
    const { where, origin } = item;
    const keeps = origin.kind !== 'scene' && (this.options.cacheFrames ?? true);
    const store = keeps ? this.options.store : null;
    const places: SampleJob['places'] = {};
    for (const plane of PLANES) {
      const place = store?.place(planeKey(item, target, plane));
      if (place) places[plane] = place;
    }
    const keepsFresh = store !== null;
    const job = { where, origin, target, task, seed, label, wantsClip, places, keeps: keepsFresh };
    const { tasks, file } = this.options.ownTasks ?? NO_OWN_TASKS;
    const { datasets } = this.options;
    const taskIsHere = file === null && tasks.some(({ id }) => id === task);
    const onlyHere = taskIsHere || origin.kind === 'sample';
    const result = await (onlyHere ? makeSample(job, { tasks, datasets }) : this.pool.run(job));
    if ('problem' in result) {
      if (!this.skipped.has(where)) this.options.onSkip?.(where, result.problem);
      this.skipped.add(where);
      return result;
    }
    for (const plane of result.damaged) store?.drop(planeKey(item, target, plane));
    for (const plane of PLANES) {
      const data = result.fresh[plane];
      if (data) store?.put(planeKey(item, target, plane), data);
    }
    await store?.settled();
    return result;
  }

  /** Latents and motion score; encodes, on this thread, what is not cached. */
  finish({ wanted, stored, made }: Ready, encoder: LatentEncoder): StoredLatents {
    const { item, target } = wanted;
    // the measured facts of a file may have been corrected since
    const motionScore = motionScoreAt(item, target);
    if (stored) return { ...stored, motionScore: motionScore ?? stored.motionScore };
    if (!made?.clip) throw new MfmError(`${item.where}: has no frames to encode`);
    const latents: Tensor = encoder.encode(made.clip);
    const entry = { latents, motionScore: motionScore ?? made.motionScore ?? 0 };
    this.options.store?.put(latentsKey(item, target, encoder), packLatents(entry));
    return entry;
  }

  /** The motion score of an item; a scene has to be drawn for it. */
  async motionScore(item: SourceItem, target: Target, encoder: LatentEncoder): Promise<number> {
    const known = motionScoreAt(item, target);
    if (known !== null) return known;
    const ready = await this.prepare({ item, target, task: null, seed: 0, label: '' }, encoder);
    if ('problem' in ready) return 0;
    return ready.stored?.motionScore ?? ready.made?.motionScore ?? 0;
  }

  /** Ends the threads, and writes what is still to be cached. */
  async close(): Promise<void> {
    await this.pool.close();
    await this.options.store?.flush();
  }
}

/**
 * Makes the first of the candidates that can be made; if none can, returns the problem of the last.
 */
export async function firstMade<Candidate, Made extends object>(
  candidates: Iterable<Candidate>,
  make: (candidate: Candidate) => Promise<Made | { problem: string }>,
): Promise<Made | { problem: string }> {
  let last: Made | { problem: string } = { problem: 'there is nothing to try' };
  for (const candidate of candidates) {
    last = await make(candidate);
    if (!('problem' in last)) break;
  }
  return last;
}

const planeKey = ({ content }: SourceItem, target: Target, plane: Plane): string =>
  keyOf('pixels', PREPROCESSING, content, bucketName(target), plane);
