/** Samples on their way to the model: from the disk where they are there, else from worker threads. */

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
  /** null: nothing is kept */
  store: DataStore | null;
  /** decoded frames are kept too; those of MiniWorld never, drawing them is as fast */
  cacheFrames?: boolean;
  /** threads; default: one per processor, at most 4 */
  workers?: number;
  /** tasks beside those of mfm; what is given for one without a file is made on this thread */
  ownTasks?: OwnTasks;
  /** those that sources name; their samples are made on this thread */
  datasets?: Datasets;
  /** called once for each file that cannot be read */
  onSkip?: (where: string, reason: string) => void;
}

export interface Wanted {
  item: SourceItem;
  target: Target;
  /** null: nothing is given */
  task: string | null;
  /** of the draws in what is given */
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

/** One is enough for a process: whoever wants samples asks the same threads. */
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

  /** What is to be had without the model: nothing is decoded that nobody asks for. */
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

  /** The pixels of a sample, and what is given of them. */
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

  /** Latents and motion score; encodes what is not on the disk. On the model's thread. */
  finish({ wanted, stored, made }: Ready, encoder: LatentEncoder): StoredLatents {
    const { item, target } = wanted;
    // what a file says of itself may have been corrected since
    const motionScore = motionScoreAt(item, target);
    if (stored) return { ...stored, motionScore: motionScore ?? stored.motionScore };
    if (!made?.clip) throw new MfmError(`${item.where}: has no frames to encode`);
    const latents: Tensor = encoder.encode(made.clip);
    const entry = { latents, motionScore: motionScore ?? made.motionScore ?? 0 };
    this.options.store?.put(latentsKey(item, target, encoder), packLatents(entry));
    return entry;
  }

  /** A scene's is known once it was drawn. */
  async motionScore(item: SourceItem, target: Target, encoder: LatentEncoder): Promise<number> {
    const known = motionScoreAt(item, target);
    if (known !== null) return known;
    const ready = await this.prepare({ item, target, task: null, seed: 0, label: '' }, encoder);
    if ('problem' in ready) return 0;
    return ready.stored?.motionScore ?? ready.made?.motionScore ?? 0;
  }

  /** Ends the threads, and writes what waits to be kept. */
  async close(): Promise<void> {
    await this.pool.close();
    await this.options.store?.flush();
  }
}

/** What becomes of the first of the candidates that can be made; else why the last cannot. */
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
