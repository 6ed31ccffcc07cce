/** The samples of a stage: by source, kind and bucket, with the tasks that each qualifies for. */
import type { SampleFacts } from '../../data/sources/facts.js';
import { keyOf } from '../../data/store.js';
import { InputError } from '../../errors.js';
import { shortcomings, type Target, type WeightedTask, weightedTasks } from '../../tasks/index.js';
import { isUsedFor, type Stage } from '../recipe/config.js';
import { batchSizeOf, bucketName, targetOf } from './buckets.js';
import { factsAt, type OpenedSource, type Renewal, type SourceItem } from './sources.js';

export type SampleKind = 'image' | 'clip';

export interface Entry {
  item: SourceItem;
  facts: SampleFacts;
  /** the tasks that it qualifies for; at least one */
  tasks: readonly WeightedTask[];
}

export interface Bucket {
  target: Target;
  batchSize: number;
  entries: Entry[];
  /** set if new samples take the places of others; default: the entries are all that there is */
  renewal?: BucketRenewal;
}

/** Samples without end: a window of as many as there are entries moves along them. */
export interface BucketRenewal {
  /** number of samples that are replaced whenever each has been used once */
  replaced: number;
  /** the sample with this number; those of the entries are the first */
  at(number: number): SourceItem;
}

/** The images, or the clips, of a source. */
export interface SourceSet {
  name: string;
  weight: number;
  buckets: Bucket[];
}

export type StageSet = Record<SampleKind, SourceSet[]>;

/**
 * Sorts the items of sources into buckets. A clip of a manifest also counts as an image, its first
 * frame. Items that qualify for no task are left out.
 *
 * @param part   the items to train on, or those held out for validation
 * @throws InputError if nothing is left
 */
export function stageSet(
  sources: readonly OpenedSource[],
  stage: Stage,
  part: 'items' | 'heldOut' = 'items',
): StageSet {
  const set: StageSet = { image: [], clip: [] };
  for (const source of sources) {
    for (const kind of ['image', 'clip'] as const) {
      const tasks = weightedTasks(stage.tasks, stage.ownTasks).filter(
        ({ task }) =>
          task.result === (kind === 'image' ? 'image' : 'video') && isUsedFor(task.id, source),
      );
      const buckets = bucketsOf(source[part], kind, tasks, stage);
      if (part === 'items' && source.renewal) renew(buckets, kind, source.renewal, stage);
      if (buckets.length > 0) set[kind].push({ name: source.name, weight: source.weight, buckets });
    }
  }
  if (part === 'items' && set.image.length + set.clip.length === 0) {
    const names = sources.map(({ name }) => name).join(', ');
    throw new InputError(
      `${names}: has no sample for the tasks of stage "${stage.name}" at ${stage.width}x${stage.height}; name other tasks; \`mfm data check\` says what the samples lack`,
    );
  }
  return set;
}

/** More scenes than a stage uses. */
const SCENES_OF_STAGE = 2 ** 24;

/** All scenes of a kind are in one bucket, in the order of their numbers. */
function renew(
  buckets: readonly Bucket[],
  kind: SampleKind,
  { reuse, at }: Renewal,
  { name }: Stage,
): void {
  // after the entries, which stages share, each stage has scenes of its own
  const first = SCENES_OF_STAGE * Number.parseInt(keyOf('stage', name).slice(0, 4), 16);
  for (const bucket of buckets) {
    const { length } = bucket.entries;
    bucket.renewal = {
      replaced: Math.max(1, Math.round(length / reuse)),
      at: (number) => ({ ...at(kind, first + number), passes: true }),
    };
  }
}

function bucketsOf(
  items: readonly SourceItem[],
  kind: SampleKind,
  tasks: readonly WeightedTask[],
  stage: Stage,
): Bucket[] {
  const minSide = Math.min(stage.width, stage.height);
  const buckets = new Map<string, Bucket>();
  // all scenes of a kind have the same facts
  const ofScenes = new Map<SampleKind, Pick<Entry, 'facts' | 'tasks'>>();
  for (const item of items) {
    const isScene = item.origin.kind === 'scene';
    if (kind === 'clip' ? item.kind === 'image' : isScene && item.kind === 'clip') continue;
    const facts = ofScenes.get(item.kind)?.facts ?? factsAt(item, stage);
    const target = targetOf(facts, kind, stage);
    if (!target) continue;
    const used = kind === 'clip' ? { ...facts, numFrames: target.numFrames } : facts;
    const open =
      (isScene ? ofScenes.get(item.kind)?.tasks : undefined) ??
      tasks.filter(({ task }) => shortcomings(task, used, { minSide }).length === 0);
    if (isScene) ofScenes.set(item.kind, { facts, tasks: open });
    if (open.length === 0) continue;
    const name = bucketName(target);
    let bucket = buckets.get(name);
    if (!bucket) {
      bucket = { target, batchSize: batchSizeOf(target, stage.tokensPerBatch), entries: [] };
      buckets.set(name, bucket);
    }
    bucket.entries.push({ item, facts, tasks: open });
  }
  // by name, so that the order does not depend on which item comes first
  return [...buckets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bucket]) => bucket);
}

/** The share of images, and of clips, that each task is drawn for, 0..1. */
export function taskShares(set: StageSet): Record<SampleKind, Map<string, number>> {
  const shares = (sources: readonly SourceSet[]) => {
    const found = new Map<string, number>();
    const weights = sources.reduce((sum, { weight }) => sum + weight, 0);
    for (const { weight, buckets } of sources) {
      const count = buckets.reduce((sum, { entries }) => sum + entries.length, 0);
      for (const { tasks } of buckets.flatMap(({ entries }) => entries)) {
        const total = tasks.reduce((sum, task) => sum + task.weight, 0);
        for (const { task, weight: own } of tasks) {
          const share = (weight / weights / count) * (own / total);
          found.set(task.id, (found.get(task.id) ?? 0) + share);
        }
      }
    }
    return found;
  };
  return { image: shares(set.image), clip: shares(set.clip) };
}
