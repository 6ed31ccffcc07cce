/**
 * The sources of a recipe: scenes of MiniWorld, items of manifests, samples of the program's own
 * data sets.
 */

import { gatherItems, type SkippedItem } from '../../data/measure/gather.js';
import { gatherDataset } from '../../data/measure/gather-dataset.js';
import { sceneFacts } from '../../data/miniworld/sample.js';
import type { Dataset } from '../../data/sources/dataset.js';
import type { SampleFacts } from '../../data/sources/facts.js';
import type { Entry } from '../../data/sources/items.js';
import { readEntries } from '../../data/sources/manifest.js';
import { type DataStore, keyOf } from '../../data/store.js';
import { InputError } from '../../errors.js';
import { multiplesOf16 } from '../../models/latent-grid.js';
import type { Target } from '../../tasks/index.js';
import type { Reporter } from '../loop/reporter.js';
import type { MiniWorldSource, Source, Stage } from '../recipe/config.js';
import type { Origin, SourceItem } from './items/item.js';
import { type ScenePlan, sceneAt, scenePlan } from './items/scenes.js';
import { variantsOf } from './items/variants.js';

export type { Origin, SampleOrigin, SourceItem } from './items/item.js';

/** The program's own data sets, by name. */
export type Datasets = Readonly<Record<string, Dataset>>;

export interface OpenedSource {
  /** `miniworld`, the manifest's path, or the data set's name */
  name: string;
  weight: number;
  /** the tasks that its samples are used for, see `isUsedFor` */
  tasks?: Source['tasks'];
  /** what any number of further scenes of MiniWorld can be drawn by; null for other sources */
  miniworld: ScenePlan | null;
  /** how scenes of MiniWorld are replaced in training; default: not at all */
  renewal?: Renewal;
  /** the items to train on */
  items: SourceItem[];
  /** the items held out for validation */
  heldOut: SourceItem[];
}

/** New scenes take the places of those that have been used often enough. */
export interface Renewal {
  /** number of uses of a scene */
  reuse: number;
  /** the scene with this number, which continues the source's own; any whole number is valid */
  at(kind: 'image' | 'clip', number: number): SourceItem;
}

export interface OpenedSources {
  sources: OpenedSource[];
  /** items that cannot be used, or not with all their parts */
  skipped: SkippedItem[];
  /** notes about the other items, and about files that are ignored, a sentence each */
  notes: string[];
}

export interface SourceOptions {
  /** where measured facts are cached; default: nowhere */
  store?: DataStore | null;
  /** number of items of each kind to hold out for validation; of files, at most a tenth */
  validationSamples?: number;
  /** data sets that sources may name */
  datasets?: Datasets;
  /** number of threads that measure */
  workers?: number;
  report?: Reporter;
  signal?: AbortSignal;
}

/** First seeds of the transformer's images and clips, far apart so that they never overlap. */
const FIRST_SEED = { image: 2 ** 41, clip: 2 ** 42 };

/**
 * Reads and measures the sources.
 *
 * @throws InputError if one cannot be read, or nothing in it can be used
 */
export async function openSources(
  sources: readonly Source[],
  options: SourceOptions = {},
): Promise<OpenedSources> {
  const skipped: SkippedItem[] = [];
  const notes: string[] = [];
  const opened: OpenedSource[] = [];
  for (const { miniworld, manifest, dataset, augment, ...use } of sources) {
    if (miniworld) {
      opened.push({
        name: 'miniworld',
        ...use,
        ...(await openMiniWorld(miniworld, skipped, options)),
      });
    } else if (dataset !== undefined) {
      const parts = await openDataset(dataset, skipped, options);
      opened.push({ name: dataset, ...use, miniworld: null, ...parts });
    } else {
      const parts = await openManifest(manifest!, { skipped, notes }, options);
      if (augment) parts.items = parts.items.flatMap((item) => variantsOf(item, augment));
      opened.push({ name: manifest!, ...use, miniworld: null, ...parts });
    }
  }
  return { sources: opened, skipped, notes };
}

/**
 * A function that opens the sources of stages, each source only once: several stages may name the
 * same files.
 */
export function sourceOpener(
  options: SourceOptions,
  open = openSources,
): (sources: readonly Source[]) => Promise<OpenedSources> {
  const opened = new Map<string, OpenedSources>();

  async function openOnce({ weight, tasks, ...what }: Source): Promise<OpenedSources> {
    const key = JSON.stringify(what);
    const found = opened.get(key) ?? (await open([{ ...what, weight }], options));
    opened.set(key, found);
    return { ...found, sources: found.sources.map((source) => ({ ...source, weight, tasks })) };
  }

  return async (sources) => {
    const parts: OpenedSources[] = [];
    for (const source of sources) parts.push(await openOnce(source));
    return {
      sources: parts.flatMap((part) => part.sources),
      skipped: parts.flatMap((part) => part.skipped),
      notes: parts.flatMap((part) => part.notes),
    };
  };
}

async function openMiniWorld(
  source: MiniWorldSource,
  skipped: SkippedItem[],
  { validationSamples = 0 }: SourceOptions,
): Promise<Pick<OpenedSource, 'miniworld' | 'items' | 'heldOut' | 'renewal'>> {
  const { clips, images, reuse, scale } = source;
  const plan = await scenePlan(source, (where, reason) => skipped.push({ where, reason }));
  const at = (kind: 'image' | 'clip', i: number): SourceItem => ({
    ...sceneAt(kind, 'train', FIRST_SEED[kind] + i, plan),
    where: `miniworld ${kind} ${i}`,
    scale,
  });
  const items = (kind: 'image' | 'clip', count: number) =>
    Array.from({ length: count }, (_, i) => at(kind, i));
  const heldOut = (kind: 'image' | 'clip', count: number) =>
    Array.from({ length: count }, (_, i) => {
      // half of them are not plain, if any are
      const which = plan.others && i % 2 === 1 ? 'other' : 'plain';
      const place = plan.others ? Math.floor(i / 2) : i;
      const item = sceneAt(kind, 'heldout', FIRST_SEED[kind] + place, plan, which);
      return { ...item, where: `miniworld held-out ${kind} ${i}`, scale };
    });
  return {
    miniworld: plan,
    renewal: reuse === undefined ? undefined : { reuse, at },
    items: [...items('image', images), ...items('clip', clips)],
    heldOut: [
      ...(images > 0 ? heldOut('image', validationSamples) : []),
      ...(clips > 0 ? heldOut('clip', validationSamples) : []),
    ],
  };
}

async function openManifest(
  path: string,
  told: Pick<OpenedSources, 'skipped' | 'notes'>,
  { store, workers, report, signal, validationSamples = 0 }: SourceOptions,
): Promise<Pick<OpenedSource, 'items' | 'heldOut'>> {
  const entries: Entry[] = [];
  const onNote = (note: string) => told.notes.push(note);
  for await (const entry of readEntries(path, { onNote })) entries.push(entry);
  report?.start(`measuring ${path}`, entries.length, 'files');
  const onProgress = (done: number) => report?.update(done, '');
  const found = await gatherItems(entries, { store, workers, signal, onProgress }).finally(() =>
    report?.end(),
  );
  for (const one of found.skipped) told.skipped.push(one);
  for (const note of found.notes) told.notes.push(note);
  if (found.items.length === 0) {
    const first = found.skipped[0]?.reason ?? 'it is empty';
    throw new InputError(
      `${path}: none of its ${entries.length} items can be used (first: ${first}); \`mfm data check\` lists why`,
    );
  }
  const items = found.items.map(({ item, facts, content }): SourceItem => {
    const { width, height, motionScore, kind } = facts;
    const origin: Origin = { kind: 'file', item, width, height, motionScore };
    return { where: item.where, kind, content, origin, facts };
  });
  return withHeldOut(items, validationSamples);
}

async function openDataset(
  name: string,
  skipped: SkippedItem[],
  { datasets = {}, store, signal, report, validationSamples = 0 }: SourceOptions,
): Promise<Pick<OpenedSource, 'items' | 'heldOut'>> {
  const dataset = datasets[name];
  if (!dataset) throw new InputError(missingDataset(name));
  report?.start(`measuring ${name}`, dataset.length, 'samples');
  const onProgress = (done: number) => report?.update(done, '');
  const found = await gatherDataset(name, dataset, { store, signal, onProgress }).finally(() =>
    report?.end(),
  );
  skipped.push(...found.skipped);
  if (found.samples.length === 0) {
    throw new InputError(
      `${name}: none of its ${dataset.length} samples can be used (first: ${found.skipped[0]!.reason})`,
    );
  }
  const items = found.samples.map((sample): SourceItem => {
    const { where, index, facts, content, caption, instruction } = sample;
    const { hasSourceDepth = false } = sample;
    const { width, height, motionScore, kind } = facts;
    const size = { width, height, motionScore };
    const words = { caption, instruction, hasSourceDepth };
    const origin: Origin = { kind: 'sample', dataset: name, index, ...size, ...words };
    return { where, kind, content, origin, facts };
  });
  return withHeldOut(items, validationSamples);
}

/** The error message for a source whose data set the program does not provide. */
export const missingDataset = (name: string): string =>
  `dataset "${name}": is not given; a program passes it as train(recipe, { datasets: { ${JSON.stringify(name)}: … } }), see docs/training.md`;

/** Splits items into those to train on and those held out, of each kind. */
function withHeldOut(
  items: readonly SourceItem[],
  validationSamples: number,
): Pick<OpenedSource, 'items' | 'heldOut'> {
  const heldOut = new Set(
    (['image', 'clip'] as const).flatMap((kind) =>
      drawHeldOut(
        items.filter((item) => item.kind === kind),
        validationSamples,
      ),
    ),
  );
  return {
    items: items.filter(({ content }) => !heldOut.has(content)),
    heldOut: items.filter(({ content }) => heldOut.has(content)),
  };
}

/**
 * The same sources, by their keys, without what any of them holds out: stages often share files, as where
 * the last one trains on the best of all, and what is held out is trained on nowhere.
 */
export function apartFromHeldOut(
  all: ReadonlyMap<string, readonly OpenedSource[]>,
): Map<string, readonly OpenedSource[]> {
  const sources = [...all.values()].flat();
  const heldOut = new Set(
    sources.flatMap((source) => source.heldOut.map(({ content }) => content)),
  );
  const isFree = ({ content, partOf }: SourceItem) => !heldOut.has(partOf ?? content);
  const freed = (source: OpenedSource) => ({ ...source, items: source.items.filter(isFree) });
  return new Map([...all].map(([key, some]) => [key, some.map(freed)]));
}

/**
 * From this many files of a kind on, some are held out: a tenth at most, so that little is lost to
 * training.
 */
export const LEAST_TO_MEASURE = 10;

/**
 * Chooses by hash, so that mostly the same items are chosen when the set grows, and copies stay
 * together.
 */
function drawHeldOut(items: readonly SourceItem[], count: number): string[] {
  if (count === 0) return [];
  const lots = items.map(({ content }) => ({ content, lot: keyOf('held out', content) }));
  lots.sort((a, b) => (a.lot < b.lot ? -1 : 1));
  const contents = lots.filter(({ lot }, i) => lot !== lots[i - 1]?.lot);
  const most = Math.min(count, Math.floor(contents.length / LEAST_TO_MEASURE));
  return contents.slice(0, most).map(({ content }) => content);
}

/**
 * The facts of an item as a sample of a stage: a scene has the stage's size, or its share of it, and
 * with a depth model every sample has depth.
 */
export function factsAt(
  item: SourceItem,
  stage: Pick<Stage, 'width' | 'height' | 'numFrames' | 'depth'>,
): SampleFacts {
  const { facts, scale = 1 } = item;
  if (facts) {
    const estimated = stage.depth.model !== undefined && !facts.hasDepth;
    return estimated ? { ...facts, hasDepth: true } : facts;
  }
  const size = multiplesOf16({ width: stage.width * scale, height: stage.height * scale });
  return sceneFacts({ ...size, numFrames: item.kind === 'image' ? 1 : stage.numFrames });
}

/**
 * The motion score of a sample at the size that it is trained at; null for a scene, which has to be
 * drawn for it.
 */
export function motionScoreAt({ kind, origin }: SourceItem, target: Target): number | null {
  if (kind === 'image' || target.numFrames === 1) return 0;
  if (origin.kind === 'scene') return null;
  const { width, height, motionScore } = origin;
  const part = (origin.kind === 'file' && origin.part?.scale) || 1;
  // in pixels per frame, so it scales with the picture
  return ((motionScore ?? 0) * Math.max(target.width / width, target.height / height)) / part;
}
