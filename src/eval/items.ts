/** Turns the user's pictures and clips into trials of the tasks that they qualify for. */

import { normalize } from 'node:path';
import { inspectItem, usableFacts } from '../data/measure/inspect.js';
import { RandomStream } from '../data/random.js';
import { withPath } from '../data/sources/data-file.js';
import { depthPlaces } from '../data/sources/depth-places.js';
import type { SampleFacts } from '../data/sources/facts.js';
import type { DataFile, DataItem } from '../data/sources/items.js';
import { readEntries } from '../data/sources/manifest.js';
import type { Sample } from '../data/sources/sample.js';
import { InputError } from '../errors.js';
import { stampOf } from '../files/stamp.js';
import { sniff } from '../media/codecs/sniff.js';
import { probeVideo } from '../media/ffmpeg/probe.js';
import {
  cropDepth,
  type Frames,
  fitFrames,
  readDepth,
  readMedia,
  sliceFrames,
} from '../media/index.js';
import { fittingFrames } from '../models/latent-grid.js';
import type { PipelineSettings } from '../pipeline/index.js';
import { depthAt, promptFor, shortcomings, type Task, type Thresholds } from '../tasks/index.js';
import type { Part } from './report.js';
import type { Trial } from './trials.js';

/** A part of an item from which trials are made. */
interface Segment {
  name: string;
  item: DataItem;
  facts: SampleFacts;
  /** index of the first frame, at the item's own frame rate, from the beginning of its part */
  start: number;
}

export interface ItemOptions {
  settings: Pick<PipelineSettings, 'width' | 'height' | 'numFrames'>;
  /** the most trials per task; null: all */
  limit: number | null;
  /**
   * number of segments per clip, spread evenly; clips shorter than one segment are skipped. null: one
   * segment from the beginning, as long as the clip allows
   */
  segments: number | null;
  signal?: AbortSignal;
}

/** The trials of each task from the items of a data set. */
export interface ItemParts {
  parts: Part[];
  /** text that changes with the items and their files */
  identity: string;
  /** one sentence on each item or task that was left out */
  notes: string[];
}

/**
 * Makes trials from the items of a data set. Items are resized and cropped
 * to the pipeline's size, and cut to its number of frames, or for shorter
 * clips to the largest 4k + 1. Masks are drawn as in training.
 *
 * @throws InputError if the data set cannot be read, or nothing in it can be used
 */
export async function itemParts(
  path: string,
  tasks: readonly Task[],
  options: ItemOptions,
): Promise<ItemParts> {
  const notes: string[] = [];
  const segments: Segment[] = [];
  const names = new Names(path);
  for await (const entry of readEntries(path, { onNote: (note) => notes.push(note) })) {
    options.signal?.throwIfAborted();
    if ('problem' in entry) {
      notes.push(`left out: ${entry.problem.message}`);
      continue;
    }
    const { item } = entry;
    const inspection = await inspectItem(item);
    if ('problem' in inspection) {
      notes.push(`left out: ${inspection.problem}`);
      continue;
    }
    notes.push(...inspection.notes, ...inspection.mismatches);
    const whole = { name: names.of(item), item, facts: usableFacts(inspection) };
    segments.push(...segmentsOf(whole, options, notes));
  }
  const { width, height } = options.settings;
  // segments are compared at whatever size they have
  const least = options.segments === null ? { minSide: Math.min(width, height) } : {};
  const parts = tasks.flatMap((task): Part[] => {
    const fit = segments.filter(({ facts }) => shortcomings(task, facts, least).length === 0);
    const used = spread(fit, options.limit ?? fit.length);
    if (used.length === 0) {
      notes.push(`${task.id}: no item qualifies (${whyNot(task, segments, least)})`);
      return [];
    }
    const at = async (i: number) => itemTrial(used[i]!, task, options);
    return [{ task, trials: { count: used.length, at } }];
  });
  if (parts.length === 0) {
    throw new InputError(`${path}: has no items for the given tasks; ${notes.join('; ')}`);
  }
  const identity = segments.map(({ item }) => itemIdentity(item)).join('');
  return { parts, identity, notes };
}

function itemIdentity({ unread, ...item }: DataItem): string {
  const files = [item.media, item.target, item.mask, item.depth].filter((file) => file !== null);
  return `${JSON.stringify(item)}\n${files.map(({ path }) => stampOf(path)).join('')}`;
}

/** At most this many, evenly spread, since neighbours in a data set are often of one kind. */
function spread<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.floor(((i + 0.5) * all.length) / most)]!);
}

function segmentsOf(
  whole: Omit<Segment, 'start'>,
  { settings: { numFrames }, segments }: ItemOptions,
  notes: string[],
): Segment[] {
  const { name, item } = whole;
  if (segments === null || whole.facts.kind === 'image') return [{ ...whole, start: 0 }];
  // unlike training, a comparison of results from given frames does not need captions
  const facts = { ...whole.facts, captionWords: Number.MAX_SAFE_INTEGER };
  if (item.prompt === '') notes.push(`${item.media.name}: has no caption, its prompt is empty`);
  const spare = facts.numFrames - numFrames;
  if (spare < 0) {
    notes.push(
      `left out: ${item.media.name} has ${facts.numFrames} frames, fewer than the ${numFrames} of a segment`,
    );
    return [];
  }
  return Array.from({ length: segments }, (_, i) => {
    const start = Math.floor((spare * (2 * i + 1)) / (2 * segments));
    return { item, start, name: `${name}-${start}`, facts: { ...facts, numFrames } };
  });
}

/** Unique names for items, from their file names relative to the data set. */
class Names {
  private readonly folder: string;
  private readonly uses = new Map<string, number>();

  constructor(path: string) {
    this.folder = `${normalize(path).replace(/\/$/, '')}/`;
  }

  of({ media: { name } }: DataItem): string {
    const within = name.startsWith(this.folder) ? name.slice(this.folder.length) : name;
    const plain = within
      .replace(/\.[^./]*$/, '')
      .replaceAll(/[^\w.-]+/g, '-')
      .replace(/^[-.]+/, '');
    const use = (this.uses.get(plain) ?? 0) + 1;
    this.uses.set(plain, use);
    return use === 1 ? plain : `${plain}--${use}`;
  }
}

function whyNot(task: Task, segments: readonly Segment[], least: Thresholds): string {
  const reasons = new Set(segments.flatMap(({ facts }) => shortcomings(task, facts, least)));
  return [...reasons].join(', ') || 'there is none';
}

async function itemTrial(
  { name, item, facts, start }: Segment,
  task: Task,
  { settings, signal }: ItemOptions,
): Promise<Trial> {
  const most = task.result === 'image' ? 1 : settings.numFrames;
  const { media, target, depth } = item;
  const read = (file: DataFile) => readPart(file, item, start, most, signal);
  const whole = await read(target ?? media);
  const numFrames = fittingFrames(whole.numFrames);
  const cutTo = (frames: Frames) => fitFrames(sliceFrames(frames, 0, numFrames), settings, 'crop');
  const clip = cutTo(whole).frames;
  const readDepthPart = async (file: DataFile) => {
    const map = await withPath(file, (path) => readDepth(path, { signal }));
    return cropDepth(depthAt(map, depthPlaces(map, item, { start, numFrames })), settings);
  };
  const sample: Sample = {
    clip,
    caption: target ? '' : item.prompt,
    depth: depth && facts.hasDepth ? await readDepthPart(depth) : null,
    edit:
      target && facts.hasEditSource
        ? { source: cutTo(await read(media)).frames, instruction: item.prompt }
        : null,
  };
  // seeded by name, so that a trial stays the same when the data set grows
  const random = new RandomStream(0, `trial ${task.id} ${name}`);
  return {
    name,
    truth: clip,
    scene: null,
    prompt: promptFor(task, sample),
    given: task.fromSample(sample, random),
  };
}

/** Reads at most `most` frames of a file, from the segment's first frame on, within the item's part. */
function readPart(
  file: DataFile,
  { part }: DataItem,
  start: number,
  most: number,
  signal?: AbortSignal,
): Promise<Frames> {
  return withPath(file, async (path) => {
    const own = { fps: part.fps, signal };
    const beginning = part.start ?? 0;
    const end = Math.min(start + most, part.frames ?? Number.POSITIVE_INFINITY);
    if (start === 0 || (await sniff(path)) !== 'video') {
      const media = await readMedia(path, { ...own, start: part.start, maxFrames: end });
      return sliceFrames(media, Math.min(start, media.numFrames - 1), media.numFrames);
    }
    const fps = part.fps ?? (await probeVideo(path, signal)).fps ?? 25;
    // a quarter of a frame early: safely between two frames, and nearest to the wanted one
    const seconds = beginning + (start - 0.25) / fps;
    return readMedia(path, { ...own, start: seconds, maxFrames: end - start });
  });
}
