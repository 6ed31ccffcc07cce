/** Batches of pixels for the autoencoder's training, each of one size, from all sources. */
import { drawAll, RandomStream, scattered } from '../../data/random.js';
import { InputError } from '../../errors.js';
import type { Target } from '../../tasks/index.js';
import { type BatchKind, sizeOfKind } from '../recipe/config.js';
import { sceneAt } from './items/scenes.js';
import { firstMade, type SampleMaker } from './maker.js';
import type { OpenedSource, SourceItem } from './sources.js';

/** Frames of one size and length: this process's samples of a batch. */
export interface FrameBatch {
  /** number of the batch */
  step: number;
  numFrames: number;
  width: number;
  height: number;
  batchSize: number;
  /** number of samples in the whole batch, over all processes */
  count: number;
  /** [B, F, H, W, 3] */
  frames: Uint8Array;
}

export interface FrameFeedOptions {
  maker: SampleMaker;
  sources: readonly OpenedSource[];
  /** the items to train on, or those held out for validation; default: `items` */
  part?: 'items' | 'heldOut';
  /** of batches whose kind has no size of its own */
  width: number;
  height: number;
  batches: readonly BatchKind[];
  seed: number;
  /** number of the first batch; default: 0 */
  step?: number;
  /** which samples of each batch this process makes: every `size`-th */
  world?: { rank: number; size: number };
}

export interface FrameFeed {
  /** The next batch, which is prepared ahead. @throws InputError if no sample can be read any more */
  next(): Promise<FrameBatch>;
  close(): Promise<void>;
}

/** Number of batches that are being prepared or wait to be taken. */
const AHEAD = 4;

/** The items of a source that have a certain length. */
interface LengthPool {
  weight: number;
  /** the items in the order in which to try them; a scene cannot fail, so one is enough */
  candidates(random: RandomStream): Iterable<SourceItem>;
}

/**
 * Opens a feed whose batches follow from the seed and their number. MiniWorld draws new scenes all
 * the time, files are drawn at random; a clip gives its beginning, or its first frame. A file that
 * cannot be read is replaced by another and, if none of its length is left, by one of another
 * length.
 *
 * @throws InputError if the sources hold nothing of the lengths asked for
 */
export function openFrameFeed(options: FrameFeedOptions): FrameFeed {
  const wells = wellsByLength(options);
  if (wells.size === 0) {
    const lengths = options.batches.map(({ numFrames }) => numFrames).join(', ');
    throw new InputError(
      `${options.sources.map(({ name }) => name).join(', ')}: holds nothing of ${lengths} frames; give longer clips or ask for shorter ones`,
    );
  }
  const queue: Promise<FrameBatch>[] = [];
  let step = options.step ?? 0;
  let closed = false;

  function fill(): void {
    while (!closed && queue.length < AHEAD) {
      const batch = frameBatch(options, wells, step++);
      batch.catch(() => {}); // reported when its turn comes
      queue.push(batch);
    }
  }

  fill();
  return {
    async next() {
      const batch = queue.shift()!;
      fill();
      return batch;
    },
    async close() {
      closed = true;
      await Promise.allSettled(queue);
    },
  };
}

/**
 * The first batch of a feed, without preparing more; null if the sources hold nothing of its
 * lengths.
 */
export async function firstFrameBatch(options: FrameFeedOptions): Promise<FrameBatch | null> {
  const wells = wellsByLength(options);
  return wells.size === 0 ? null : frameBatch(options, wells, options.step ?? 0);
}

type Wells = ReadonlyMap<number, readonly LengthPool[]>;

async function frameBatch(
  options: FrameFeedOptions,
  wells: Wells,
  step: number,
): Promise<FrameBatch> {
  const { seed, maker } = options;
  const { rank, size } = options.world ?? { rank: 0, size: 1 };
  const kinds = options.batches.filter(({ numFrames }) => wells.has(numFrames));

  async function batchOf(kind: BatchKind) {
    const { batchSize: count } = kind;
    const target = sizeOfKind(kind, options);
    const { numFrames, width, height } = target;
    const places = Array.from({ length: count }, (_, i) => i).filter((i) => i % size === rank);
    const parts = await Promise.all(places.map((i) => frames(target, `frames ${step} ${i}`)));
    const one = numFrames * height * width * 3;
    const all = new Uint8Array(parts.length * one);
    for (const [i, part] of parts.entries()) {
      if ('problem' in part) return part;
      all.set(part.data, i * one);
    }
    return { step, ...target, batchSize: parts.length, count, frames: all };
  }

  function frames(target: Target, label: string) {
    const candidates = drawItems(new RandomStream(seed, label), wells.get(target.numFrames)!);
    return firstMade(candidates, async (item) => {
      const made = await maker.make({ item, target, task: null, seed, label }, { clip: true });
      return 'problem' in made ? made : { data: made.clip!.data };
    });
  }

  const found = await firstMade(drawAll(new RandomStream(seed, `frames ${step}`), kinds), batchOf);
  if (!('problem' in found)) return found;
  throw new InputError(
    `autoencoder: none of its data can be read any more (last: ${found.problem}); check that they are still where they were`,
  );
}

function* drawItems(random: RandomStream, wells: readonly LengthPool[]): Generator<SourceItem> {
  for (const well of drawAll(random, wells)) yield* well.candidates(random);
}

function wellsByLength({ sources, part = 'items', batches }: FrameFeedOptions): Wells {
  const wells = batches.map(({ numFrames }): [number, LengthPool[]] => [
    numFrames,
    sources.flatMap((source) => wellsOf(source, part, numFrames)),
  ]);
  return new Map(wells.filter(([, found]) => found.length > 0));
}

function wellsOf(source: OpenedSource, part: 'items' | 'heldOut', numFrames: number): LengthPool[] {
  const { weight, miniworld } = source;
  const kind = numFrames === 1 ? 'image' : 'clip';
  if (miniworld && part === 'items') {
    const candidates = (random: RandomStream) => [
      sceneAt(kind, 'train', Math.floor(random.next() * 2 ** 40), miniworld),
    ];
    return [{ weight, candidates }];
  }
  const items = source[part].filter((item) =>
    item.facts ? item.facts.numFrames >= numFrames : item.kind === kind,
  );
  function* candidates(random: RandomStream) {
    for (const place of scattered(random, items.length)) yield items[place]!;
  }
  return items.length === 0 ? [] : [{ weight, candidates }];
}
