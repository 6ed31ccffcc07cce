/** Prepares samples for the model: from the cache if it holds them, otherwise in worker threads. */

import { type DataStore, keyOf, type Place } from '../../data/store.js';
import { createWorkerPool, type WorkerPool, workerBeside } from '../../data/worker-pool.js';
import { InputError, MfmError } from '../../errors.js';
import type { Frames } from '../../media/index.js';
import { tokensOf } from '../../models/latent-grid.js';
import {
  type ConditionInputs,
  type Mixture,
  NO_OWN_TASKS,
  type OwnTasks,
  type Target,
  taskOf,
} from '../../tasks/index.js';
import { SCENE_CHANNELS } from '../recipe/levers-config.js';
import { bucketName } from './buckets.js';
import { type DepthMaps, depthKey } from './encode/depth-maps.js';
import { type DepthOrigin, estimatedFrames } from './encode/depth-origin.js';
import {
  encodeInBatches,
  type LatentEncoder,
  latentsKey,
  packLatents,
  type StoredLatents,
  unpackLatents,
} from './encode/latents.js';
import { PassingLatents } from './encode/passing-latents.js';
import {
  type MadeSample,
  makeSample,
  type Plane,
  PREPROCESSING,
  type SampleJob,
  type SampleResult,
  type Wants,
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
  /** where the depth of what the task knows comes from; default: it has none */
  depth?: DepthOrigin | null;
  /** share of the known frames whose depth is left out; default: 0 */
  frameDropout?: number;
  /** see `SampleJob` */
  mixture?: Mixture;
  /** of a scene, what each token shows is needed too */
  labels?: boolean;
}

/** A sample whose latents may still have to be encoded. */
export interface Ready {
  wanted: Wanted;
  given: ConditionInputs | null;
  stored: StoredLatents | null;
  made: MadeSample | null;
  /** [L, C], see `sceneLabels`; null of what is no scene, or if it is not needed */
  labels: Float32Array<ArrayBuffer> | null;
}

const PLANES: readonly Plane[] = ['clip', 'source', 'depth', 'sourceDepth'];

/** Makes samples with a pool of threads; one per process is enough. */
export class SampleMaker {
  private readonly pool: WorkerPool<SampleJob, SampleResult>;
  private readonly skipped = new Set<string>();
  /** latents of scenes that pass */
  readonly passing = new PassingLatents();
  /** estimates depth, for samples that have it from the model */
  depthMaps: DepthMaps | null = null;

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
    const stored = this.storedLatents(wanted, encoder);
    const isLabelled = wanted.labels === true && item.origin.kind === 'scene';
    const known = isLabelled ? this.storedLabels(item, target) : null;
    const lacksLabels = isLabelled && !known;
    if (stored && task === null && !lacksLabels) {
      return { wanted, stored, given: null, made: null, labels: known };
    }
    const made = await this.make(wanted, { clip: stored === null, labels: lacksLabels });
    if ('problem' in made) return made;
    const { given, labels = null } = made;
    if (labels) this.storeOf(item)?.put(labelsKey(item, target), new Uint8Array(labels.buffer));
    return { wanted, stored, given, made, labels: labels ?? known };
  }

  /** What the tokens of a scene show, if it is in the cache. */
  private storedLabels(item: SourceItem, target: Target): Float32Array<ArrayBuffer> | null {
    const bytes = this.storeOf(item)?.get(labelsKey(item, target));
    if (bytes?.length !== 4 * SCENE_CHANNELS * tokensOf(target)) return null;
    return new Float32Array(bytes.slice().buffer);
  }

  private storedLatents(
    { item, target }: Pick<Wanted, 'item' | 'target'>,
    encoder: LatentEncoder,
  ): StoredLatents | null {
    const key = latentsKey(item, target, encoder);
    const bytes = this.storeOf(item)?.get(key);
    const stored = bytes ? unpackLatents(bytes) : null;
    if (bytes && !stored) this.options.store?.drop(key);
    return stored;
  }

  /** Where what is made of an item is kept; null if it is not. */
  private storeOf(item: SourceItem): Pick<DataStore, 'get' | 'put'> | null {
    return item.passes ? this.passing : this.options.store;
  }

  /** Makes the pixels of a sample, and its condition inputs. */
  async make(wanted: Wanted, wants: Wants): Promise<SampleResult> {
    const { item, target, task, seed, label, mixture, depth = null, frameDropout = 0 } = wanted;
    const { where, origin } = item;
    const { tasks, file } = this.options.ownTasks ?? NO_OWN_TASKS;
    const keeps = origin.kind !== 'scene' && (this.options.cacheFrames ?? true);
    const store = keeps ? this.options.store : null;
    const places: SampleJob['places'] = {};
    for (const plane of PLANES) {
      const place = store?.place(planeKey(item, target, plane));
      if (place) places[plane] = place;
    }
    const frames = task !== null && depth === 'model' ? estimatedFrames(taskOf(task, tasks)) : null;
    if (frames) {
      const estimate = await this.estimate(wanted, frames);
      if ('problem' in estimate) return estimate;
      places.estimate = estimate;
    }
    const keepsFresh = store !== null;
    const job: SampleJob = {
      where,
      origin,
      target,
      task,
      seed,
      label,
      mixture,
      depth,
      frameDropout,
      wants,
      places,
      keeps: keepsFresh,
    };
    const { datasets } = this.options;
    const taskIsHere = file === null && tasks.some(({ id }) => id === task);
    const onlyHere = taskIsHere || origin.kind === 'sample';
    const result = await (onlyHere ? makeSample(job, { tasks, datasets }) : this.pool.run(job));
    if ('problem' in result) return this.skip(where, result);
    for (const plane of result.damaged) {
      if (plane !== 'estimate') store?.drop(planeKey(item, target, plane));
      else this.options.store?.drop(depthKey(item, target, frames!, this.depthMaps!));
    }
    if (result.damaged.includes('estimate')) return this.make(wanted, wants);
    for (const plane of PLANES) {
      const data = result.fresh[plane];
      if (data) store?.put(planeKey(item, target, plane), data);
    }
    await store?.settled();
    return result;
  }

  /**
   * The depth of a sample's clip, or of the clip before its edit, as the model estimates it: its place
   * in the cache, or its bytes if it is not there. What is not cached is estimated on this thread.
   */
  async estimate(
    { item, target }: Pick<Wanted, 'item' | 'target'>,
    frames: 'clip' | 'source',
  ): Promise<Place | Uint8Array<ArrayBuffer> | { problem: string }> {
    const { store } = this.options;
    const { depthMaps } = this;
    if (!depthMaps) throw new MfmError(`${item.where}: its depth needs a depth model`);
    const key = depthKey(item, target, frames, depthMaps);
    const stored = store?.place(key) ?? store?.get(key);
    if (stored) return stored;
    const made = await this.framesOf({ item, target }, frames);
    return 'problem' in made ? made : this.estimateOf({ item, target }, frames, made);
  }

  /** The frames whose depth is estimated. */
  async framesOf(
    { item, target }: Pick<Wanted, 'item' | 'target'>,
    frames: 'clip' | 'source',
  ): Promise<Frames | { problem: string }> {
    const wanted = { item, target, task: null, seed: 0, label: '' };
    const made = await this.make(wanted, { [frames]: true });
    return 'problem' in made ? made : made[frames]!;
  }

  /** Estimates the depth of frames, on this thread, and caches it. */
  estimateOf(
    { item, target }: Pick<Wanted, 'item' | 'target'>,
    which: 'clip' | 'source',
    frames: Frames,
  ): Uint8Array<ArrayBuffer> | { problem: string } {
    const depthMaps = this.depthMaps!;
    try {
      const bytes = depthMaps.estimate(frames);
      this.options.store?.put(depthKey(item, target, which, depthMaps), bytes);
      return bytes;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return this.skip(item.where, { problem: error.message });
    }
  }

  /** Reports a problem, once for each sample. */
  private skip(where: string, result: { problem: string }): { problem: string } {
    if (!this.skipped.has(where)) this.options.onSkip?.(where, result.problem);
    this.skipped.add(where);
    return result;
  }

  /**
   * Latents and motion scores of samples of one size and length; encodes, on this thread, what is not
   * cached.
   */
  finish(all: readonly Ready[], encoder: LatentEncoder): StoredLatents[] {
    // an earlier batch may have encoded it since
    const stored = all.map(({ wanted, stored }) => stored ?? this.storedLatents(wanted, encoder));
    const missing = all.filter((_, i) => !stored[i]);
    const frames = missing.map(({ wanted, made }) => {
      if (!made?.clip) throw new MfmError(`${wanted.item.where}: has no frames to encode`);
      return made.clip;
    });
    const encoded = encodeInBatches(encoder, frames);
    return all.map((ready, i) => {
      const { item, target } = ready.wanted;
      // the measured facts of a file may have been corrected since
      const motionScore = motionScoreAt(item, target);
      const before = stored[i];
      if (before) return { ...before, motionScore: motionScore ?? before.motionScore };
      const latents = encoded[missing.indexOf(ready)]!;
      const entry = { latents, motionScore: motionScore ?? ready.made?.motionScore ?? 0 };
      this.storeOf(item)?.put(latentsKey(item, target, encoder), packLatents(entry));
      return entry;
    });
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

const labelsKey = ({ content }: SourceItem, target: Target): string =>
  keyOf('scene labels', PREPROCESSING, content, bucketName(target));

const planeKey = ({ content }: SourceItem, target: Target, plane: Plane): string =>
  keyOf('pixels', PREPROCESSING, content, bucketName(target), plane);
