/**
 * Makes the pixels of a sample and its condition inputs for a task. Runs in worker threads, except
 * for what only the main thread has: tasks without a file, and the program's own data sets.
 */

import { captionOf, motionScore } from '../../data/miniworld/index.js';
import type { Photos } from '../../data/miniworld/looks/painter.js';
import { PhotoShelf } from '../../data/miniworld/looks/photo-files.js';
import { sceneSample } from '../../data/miniworld/sample.js';
import { renderWorld } from '../../data/miniworld/world.js';
import { RandomStream } from '../../data/random.js';
import { withPath } from '../../data/sources/data-file.js';
import { type Dataset, sampleAt } from '../../data/sources/dataset.js';
import { depthPlaces } from '../../data/sources/depth-places.js';
import type { DataFile, DataItem } from '../../data/sources/items.js';
import type { Sample } from '../../data/sources/sample.js';
import { type Place, readPlace } from '../../data/store.js';
import { InputError, MfmError } from '../../errors.js';
import { readAnimation } from '../../media/codecs/animation.js';
import { readImage } from '../../media/codecs/image.js';
import { readMedia } from '../../media/codecs/read.js';
import { sniff } from '../../media/codecs/sniff.js';
import { decodeFrames, type Picture } from '../../media/codecs/video.js';
import { readDepth } from '../../media/depth/depth.js';
import type { DepthMap } from '../../media/depth/depth-map.js';
import { resizeDepth } from '../../media/depth/resize-depth.js';
import { probeVideo, type VideoInfo } from '../../media/ffmpeg/probe.js';
import type { Frames, Size } from '../../media/frames.js';
import { resample } from '../../media/pixels/resample.js';
import {
  type ConditionInputs,
  type Mixture,
  type Target,
  type Task,
  taskOf,
} from '../../tasks/index.js';
import { type Cover, coverOf } from './buckets.js';
import { type DepthOrigin, estimatedFrames } from './encode/depth-origin.js';
import { sceneLabels } from './encode/scene-labels.js';
import { buffersOf, fitGiven, withoutSomeDepth } from './fit-given.js';
import type { FileOrigin, SceneOrigin } from './items/item.js';
import type { Part } from './items/part.js';
import { sceneOf } from './items/scenes.js';
import type { Datasets, Origin, SampleOrigin } from './sources.js';

/**
 * Version of the preprocessing: increase it whenever a sample's pixels change, so that the cache is
 * not used.
 */
export const PREPROCESSING = 2;

/** The parts of a sample that are cached on the disk once they are decoded. */
export type Plane = 'clip' | 'source' | 'depth' | 'sourceDepth';

export interface SampleJob {
  where: string;
  origin: Origin;
  target: Target;
  /** id of the task to make condition inputs for; null: none are made */
  task: string | null;
  /** seed of the random draws in that, and the label of their stream */
  seed: number;
  label: string;
  /** the distribution that mixtures are drawn from; default: see `Mixture` */
  mixture?: Mixture;
  /** where the depth of what the task knows comes from; null: it has none */
  depth: DepthOrigin | null;
  /** share of the known frames whose depth is left out */
  frameDropout: number;
  /** also return the clip itself, or the clip before its edit, for a network to process */
  wants: Wants;
  /** decoded parts that are in the cache, and the estimated depth: of the source for an edit */
  places: Partial<Record<Plane | 'estimate', Place | Uint8Array<ArrayBuffer>>>;
  /** return newly decoded parts, to be cached */
  keeps: boolean;
}

/** Frames of a sample that are returned themselves. */
export interface Wants {
  clip?: boolean;
  source?: boolean;
  /** of a scene: what each token shows, see `sceneLabels` */
  labels?: boolean;
}

export interface MadeSample {
  /** condition inputs, fitted to the target */
  given: ConditionInputs | null;
  clip: Frames | null;
  source: Frames | null;
  /** what the tokens of a scene show; missing if that was not wanted */
  labels?: Float32Array<ArrayBuffer>;
  /** how much a drawn scene moves; null for other samples */
  motionScore: number | null;
  /** newly decoded parts, to be cached */
  fresh: Partial<Record<Plane, Uint8Array>>;
  /** cached parts that turned out to be damaged; without its estimated depth, a sample is not made */
  damaged: (Plane | 'estimate')[];
}

export type SampleResult = MadeSample | { problem: string };

/** The program's own tasks and data sets, as far as a thread has them. */
export interface Own {
  /** tasks beside those of mfm */
  tasks: readonly Task[];
  /** data sets that origins name; only the main thread has any */
  datasets?: Datasets;
}

/** Makes a sample; a file that cannot be read is a result, not an error. */
export async function makeSample(job: SampleJob, own: Own = { tasks: [] }): Promise<SampleResult> {
  const task = job.task === null ? null : taskOf(job.task, own.tasks);
  try {
    const { origin } = job;
    if (origin.kind === 'scene') return await ofScene(job, origin, task);
    if (origin.kind === 'file') return await ofFile(job, origin, task);
    return await ofSample(job, origin, task, own.datasets![origin.dataset]!);
  } catch (error) {
    if (error instanceof DamagedEstimate) return NOT_MADE;
    if (error instanceof InputError) return { problem: error.message };
    const { code, message } = error as NodeJS.ErrnoException;
    // an error of the file system, such as a folder that vanished during reading
    if (typeof code === 'string' && !(error instanceof MfmError)) {
      return { problem: `${job.where}: cannot be read (${message})` };
    }
    throw error;
  }
}

/** The buffers of a result, to be transferred to the main thread. */
export function buffersOfResult(result: SampleResult): ArrayBuffer[] {
  if ('problem' in result) return [];
  const { given, clip, source, labels, fresh } = result;
  const own = [clip?.data, source?.data, labels, ...Object.values(fresh)].flatMap((array) =>
    array ? [array.buffer as ArrayBuffer] : [],
  );
  return [...new Set([...buffersOf(given), ...own])];
}

/** The photos of scenes, of which each thread keeps some. */
const shelf = new PhotoShelf();

async function ofScene(
  job: SampleJob,
  origin: SceneOrigin,
  task: Task | null,
): Promise<MadeSample> {
  const { target } = job;
  const scene = sceneOf(origin);
  const photos: Photos = new Map(
    await Promise.all(
      (origin.photos ?? []).map(async (file, i) => [i, await shelf.of(file)] as const),
    ),
  );
  const rendered = renderWorld(scene, target, photos);
  const clip = { ...sizeOf(target), numFrames: target.numFrames, data: rendered.frames };
  const own = sceneSample(scene, clip, captionOf(scene, target.numFrames), rendered, photos);
  const depth = depthIn(job, task, new Parts(job));
  const sample: Sample = {
    clip,
    caption: own.caption,
    // drawn only for tasks that ask for them
    get depth() {
      return job.depth === 'own' ? own.depth : depth.clip;
    },
    get edit() {
      const edit = own.edit!;
      return job.depth === 'own' ? edit : { ...edit, sourceDepth: depth.source };
    },
  };
  return {
    given: givenOf(job, task, sample),
    clip: job.wants.clip ? clip : null,
    source: job.wants.source ? own.edit!.source : null,
    ...(job.wants.labels ? { labels: sceneLabels(rendered, target) } : {}),
    motionScore: motionScore(scene, rendered, target),
    fresh: {},
    damaged: [],
  };
}

function givenOf(
  { seed, label, target, frameDropout, mixture }: SampleJob,
  task: Task | null,
  sample: Sample,
): ConditionInputs | null {
  if (!task) return null;
  const random = new RandomStream(seed, label);
  const given = fitGiven(task.fromSample(sample, random, mixture), target);
  return withoutSomeDepth(given, random, frameDropout);
}

/** The estimated depth of the clip, or of the clip before its edit, as the task needs it. */
function depthIn(
  { depth }: SampleJob,
  task: Task | null,
  parts: Parts,
): Record<'clip' | 'source', DepthMap | null> {
  const none = { clip: null, source: null };
  return task && depth === 'model' ? { ...none, [estimatedFrames(task)]: parts.estimate() } : none;
}

async function ofFile(job: SampleJob, origin: FileOrigin, task: Task | null): Promise<MadeSample> {
  const { item, width, height, part } = origin;
  const parts = new Parts(job);
  const needs = task?.needs;
  const clip = await parts.frames('clip', () =>
    decode(item.target ?? item.media, item, job, { part, upright: { width, height } }),
  );
  const wantsSource = (needs?.edit || job.wants.source) && item.target;
  const source = wantsSource
    ? await parts.frames('source', () => decode(item.media, item, job, { part, upright: null }))
    : null;
  const file = job.depth === 'own' ? item.depth : null;
  const read = file && (() => readDepthPart(file, item, job.target, part));
  const estimated = depthIn(job, task, parts);
  const sample: Sample = {
    clip,
    depth: read ? await parts.depth('depth', file.name, read) : estimated.clip,
    // an instruction does not describe what the result shows
    caption: item.target ? '' : item.prompt,
    edit: source && { source, sourceDepth: estimated.source, instruction: item.prompt },
  };
  return {
    given: givenOf(job, task, sample),
    clip: job.wants.clip ? clip : null,
    source: job.wants.source ? source : null,
    motionScore: null,
    fresh: parts.fresh,
    damaged: parts.damaged,
  };
}

async function ofSample(
  job: SampleJob,
  { index, caption, instruction }: SampleOrigin,
  task: Task | null,
  dataset: Dataset,
): Promise<MadeSample> {
  const { target, where } = job;
  const parts = new Parts(job);
  // read once, and only if a part of it is needed that is not cached
  let read: Promise<Sample> | null = null;
  const whole = () => {
    read ??= sampleAt(dataset, index, where);
    return read;
  };
  const needs = task?.needs;
  const clip = await parts.frames('clip', async () => cover((await whole()).clip, target));
  const source =
    (needs?.edit || job.wants.source) && instruction !== null
      ? await parts.frames('source', async () => cover((await whole()).edit!.source, target))
      : null;
  const places = Array.from({ length: target.numFrames }, (_, i) => i);
  const covered = (plane: 'depth' | 'sourceDepth', map: (sample: Sample) => DepthMap) =>
    parts.depth(plane, where, async () => coverDepth(map(await whole()), places, target));
  const ownDepth = job.depth === 'own';
  const estimated = depthIn(job, task, parts);
  const depth =
    ownDepth && !needs?.edit ? await covered('depth', (one) => one.depth!) : estimated.clip;
  const sourceDepth =
    ownDepth && needs?.edit
      ? await covered('sourceDepth', (one) => one.edit!.sourceDepth!)
      : estimated.source;
  const edit = source && { source, sourceDepth, instruction: instruction! };
  return {
    given: givenOf(job, task, { clip, depth, caption, edit }),
    clip: job.wants.clip ? clip : null,
    source: job.wants.source ? source : null,
    motionScore: null,
    fresh: parts.fresh,
    damaged: parts.damaged,
  };
}

function tooShort({ where, target }: SampleJob, numFrames: number): never {
  throw new InputError(
    `${where}: has ${numFrames} frames now, ${target.numFrames} are needed; the file has changed, or is damaged`,
  );
}

/** Reads the parts of a sample, from the cache if it holds them. */
class Parts {
  readonly fresh: MadeSample['fresh'] = {};
  readonly damaged: MadeSample['damaged'] = [];
  constructor(private readonly job: SampleJob) {}

  async frames(plane: Plane, read: () => Promise<Frames>): Promise<Frames> {
    const { target } = this.job;
    const bytes = this.stored(plane, target.width * target.height * target.numFrames * 3);
    if (bytes) return { ...sizeOf(target), numFrames: target.numFrames, data: bytes };
    const frames = await read();
    if (frames.numFrames !== target.numFrames) tooShort(this.job, frames.numFrames);
    if (this.job.keeps) this.fresh[plane] = frames.data;
    return frames;
  }

  async depth(
    plane: 'depth' | 'sourceDepth',
    name: string,
    read: () => Promise<DepthMap>,
  ): Promise<DepthMap> {
    const stored = this.storedDepth(plane, name);
    if (stored) return stored;
    const map = await read();
    const { data } = map;
    if (this.job.keeps) {
      this.fresh[plane] = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
    return map;
  }

  /** The estimated depth. @throws DamagedEstimate, as only the main thread has the model */
  estimate(): DepthMap {
    const map = this.storedDepth('estimate', this.job.where);
    if (!map) throw new DamagedEstimate();
    return map;
  }

  private storedDepth(plane: Plane | 'estimate', path: string): DepthMap | null {
    const { target } = this.job;
    const { width, height, numFrames } = target;
    const bytes = this.stored(plane, width * height * numFrames * 4);
    if (!bytes) return null;
    return { path, ...sizeOf(target), numFrames, data: new Float32Array(bytes.buffer) };
  }

  private stored(plane: Plane | 'estimate', length: number): Uint8Array<ArrayBuffer> | null {
    const place = this.job.places[plane];
    if (!place) return null;
    const bytes = place instanceof Uint8Array ? place : readPlace(place);
    if (bytes?.length === length) return bytes;
    this.damaged.push(plane);
    return null;
  }
}

class DamagedEstimate extends Error {}

const NOT_MADE: MadeSample = {
  given: null,
  clip: null,
  source: null,
  motionScore: null,
  fresh: {},
  damaged: ['estimate'],
};

const sizeOf = ({ width, height }: Target) => ({ width, height });

/** The frames of a file at the target's size, from the start of the part that the item covers. */
function decode(
  file: DataFile,
  { part, kind }: DataItem,
  { target }: SampleJob,
  of: { part?: Part; upright: Size | null },
): Promise<Frames> {
  const { start, fps } = part;
  const maxFrames = Math.min(target.numFrames, part.frames ?? Number.POSITIVE_INFINITY);
  return withPath(file, async (path) => {
    const found = await sniff(path);
    if (found === 'still' || kind === 'image') return cover(await readImage(path), target, of.part);
    if (found === 'animation') {
      return cover(await readAnimation(path, { start, fps, maxFrames }), target, of.part);
    }
    if (found === 'folder')
      return cover(await readMedia(path, { start, fps, maxFrames }), target, of.part);
    return decodeVideo(path, { start, fps, maxFrames }, target, { ...of, file });
  });
}

/**
 * Decodes a video; ffmpeg scales it, so that only the pixels that are needed pass through the pipe.
 */
async function decodeVideo(
  path: string,
  options: { start?: number; fps?: number; maxFrames: number },
  target: Target,
  of: { file: DataFile; upright: Size | null; part?: Part },
): Promise<Frames> {
  const info = await probed(path, of.file);
  const whole = of.upright ?? (await uprightSize(path, info));
  const covering = coverOf(whole, target, of.part);
  const { width, height } = target;
  const frame = width * height * 3;
  const data = new Uint8Array(options.maxFrames * frame);
  let numFrames = 0;
  const pictures = decodeFrames(path, info, { ...options, size: covering.scaled, notes: [] });
  for await (const picture of pictures) {
    const into = { width, height, data: data.subarray(numFrames * frame, ++numFrames * frame) };
    crop(picture, covering, into);
  }
  return { width, height, numFrames, data: data.subarray(0, numFrames * frame) };
}

/** Facts about files that were opened before: probing takes as long as decoding a short clip. */
const known = new Map<string, VideoInfo>();
const MOST_KNOWN = 4096;

async function probed(path: string, { name, member }: DataFile): Promise<VideoInfo> {
  const key = member === null ? path : `${name} ${member.offset}`;
  const before = known.get(key);
  if (before) return before;
  const info = await probeVideo(path);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, info);
  return info;
}

/** The size as it is displayed: rotated, with square pixels. */
async function uprightSize(path: string, info: VideoInfo): Promise<Size> {
  for await (const { width, height } of decodeFrames(path, info, { maxFrames: 1, notes: [] })) {
    return { width, height };
  }
  throw new InputError(`${path}: has no frames; give another file`);
}

/** Scales frames to cover the target's size, and crops both sides. */
function cover(frames: Frames, target: Target, part?: Part): Frames {
  const covering = coverOf(frames, target, part);
  const { scaled } = covering;
  const numFrames = Math.min(frames.numFrames, target.numFrames);
  const { width, height } = target;
  const [own, frame] = [frames.width * frames.height * 3, width * height * 3];
  const data = new Uint8Array(numFrames * frame);
  for (let i = 0; i < numFrames; i++) {
    const picture = resample(
      frames.data.subarray(i * own, (i + 1) * own),
      { count: 1, width: frames.width, height: frames.height, channels: 3 },
      scaled,
      'bicubic',
    );
    const into = { width, height, data: data.subarray(i * frame, (i + 1) * frame) };
    crop({ ...scaled, data: picture }, covering, into);
  }
  return { width, height, numFrames, data };
}

function crop(from: Picture, { left, top, mirrored }: Cover, into: Picture): void {
  const { width, data } = into;
  for (let y = 0; y < into.height; y++) {
    const at = ((top + y) * from.width + left) * 3;
    const row = data.subarray(y * width * 3, (y + 1) * width * 3);
    row.set(from.data.subarray(at, at + width * 3));
    if (mirrored) mirror(row, 3);
  }
}

/** Exchanges left and right of a row of pixels. */
function mirror(row: Uint8Array | Float32Array, channels: number): void {
  row.reverse();
  for (let p = 0; channels > 1 && p < row.length; p += channels) {
    row.subarray(p, p + channels).reverse();
  }
}

/** The depth of the clip's frames, at the same times and with the same crop. */
async function readDepthPart(
  file: DataFile,
  item: DataItem,
  target: Target,
  shown?: Part,
): Promise<DepthMap> {
  const map = await withPath(file, (path) => readDepth(path));
  const places = depthPlaces(map, item, target);
  return { ...coverDepth(map, places, target, shown), path: file.name };
}

/**
 * The depth of the frames at `places`, scaled to cover the target's size, and cropped on both
 * sides.
 */
function coverDepth(
  map: DepthMap,
  places: readonly number[],
  target: Target,
  part?: Part,
): DepthMap {
  const { scaled, left, top, mirrored } = coverOf(map, target, part);
  const plane = map.width * map.height;
  const { width, height, numFrames } = target;
  const data = new Float32Array(numFrames * width * height);
  for (const [i, place] of places.entries()) {
    const one = map.data.subarray(place * plane, (place + 1) * plane);
    const resized = resizeDepth({ ...map, numFrames: 1, data: one }, scaled);
    for (let y = 0; y < height; y++) {
      const at = (top + y) * scaled.width + left;
      const row = data.subarray((i * height + y) * width, (i * height + y + 1) * width);
      row.set(resized.data.subarray(at, at + width));
      if (mirrored) mirror(row, 1);
    }
  }
  return { path: map.path, width, height, numFrames, data };
}
