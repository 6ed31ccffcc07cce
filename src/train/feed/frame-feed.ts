/** Pixels alone, for the training of the autoencoder: all of one size, from all sources. */
import { RandomStream } from '../../data/random.js';
import { InputError } from '../../errors.js';
import type { Target } from '../../tasks/index.js';
import { drawWeighted } from '../batches.js';
import type { BatchKind } from '../config.js';
import type { SampleMaker } from './maker.js';
import { type OpenedSource, type SourceItem, sceneAt } from './sources.js';

/** Frames of one size and length: those of this process. */
export interface FrameBatch {
  /** number of the batch */
  step: number;
  numFrames: number;
  width: number;
  height: number;
  batchSize: number;
  /** of the whole batch, over all processes */
  count: number;
  /** [B, F, H, W, 3] */
  frames: Uint8Array;
}

export interface FrameFeedOptions {
  maker: SampleMaker;
  sources: readonly OpenedSource[];
  /** what is trained on, or what is kept to measure on; default: the first */
  part?: 'items' | 'heldOut';
  width: number;
  height: number;
  batches: readonly BatchKind[];
  seed: number;
  /** number of the first batch; default: 0 */
  step?: number;
  /** which samples of each batch are made here: every `size`-th */
  world?: { rank: number; size: number };
  onSkip?: (where: string, reason: string) => void;
}

export interface FrameFeed {
  /** The next batch, made ahead. @throws InputError if nothing can be read any more */
  next(): Promise<FrameBatch>;
  close(): Promise<void>;
}

/** Batches that are under way or wait to be taken. */
const AHEAD = 4;
/** Files that fail one after another before the sources count as lost. */
const ATTEMPTS = 16;

/** A way to draw items of a length from a source. */
interface Well {
  weight: number;
  draw(random: RandomStream): SourceItem;
}

/**
 * Batches that follow from the seed and their number. MiniWorld gives new scenes all the time, files
 * are drawn at random; a clip gives its beginning, or its first frame.
 *
 * @throws InputError if the sources hold nothing of the lengths asked for
 */
export function openFrameFeed(options: FrameFeedOptions): FrameFeed {
  const { sources, part = 'items', width, height, seed, maker, onSkip } = options;
  const { rank, size } = options.world ?? { rank: 0, size: 1 };
  const wells = new Map<number, Well[]>();
  const kinds = options.batches.filter(({ numFrames }) => {
    const found = sources.flatMap((source) => wellsOf(source, part, numFrames));
    wells.set(numFrames, found);
    return found.length > 0;
  });
  if (kinds.length === 0) {
    const lengths = options.batches.map(({ numFrames }) => numFrames).join(', ');
    throw new InputError(
      `${sources.map(({ name }) => name).join(', ')}: holds nothing of ${lengths} frames; give longer clips or ask for shorter ones`,
    );
  }
  const lost = new Set<string>();
  const queue: Promise<FrameBatch>[] = [];
  let step = options.step ?? 0;
  let closed = false;

  async function frames(target: Target, label: string): Promise<Uint8Array> {
    const random = new RandomStream(seed, label);
    let reason = '';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const item = drawWeighted(random, wells.get(target.numFrames)!).draw(random);
      if (lost.has(item.where)) continue;
      const made = await maker.make({ item, target, task: null, seed, label }, true);
      if (!('problem' in made)) return made.clip!.data;
      reason = made.problem;
      onSkip?.(item.where, reason);
      lost.add(item.where);
    }
    throw new InputError(
      `autoencoder: no clip of ${target.numFrames} frames can be read any more${reason && ` (last: ${reason})`}; check that the data are where they were`,
    );
  }

  async function batchAt(at: number): Promise<FrameBatch> {
    const kind = drawWeighted(new RandomStream(seed, `frames ${at}`), kinds);
    const { numFrames, batchSize: count } = kind;
    const target = { width, height, numFrames };
    const places = Array.from({ length: count }, (_, i) => i).filter((i) => i % size === rank);
    const parts = await Promise.all(places.map((i) => frames(target, `frames ${at} ${i}`)));
    const one = numFrames * height * width * 3;
    const all = new Uint8Array(parts.length * one);
    parts.forEach((bytes, i) => {
      all.set(bytes, i * one);
    });
    return { step: at, ...target, batchSize: parts.length, count, frames: all };
  }

  function fill(): void {
    while (!closed && queue.length < AHEAD) {
      const batch = batchAt(step++);
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

/** Do the sources hold clips of so many frames? 1: images, or clips of any length. */
export const holdFrames = (
  sources: readonly OpenedSource[],
  part: 'items' | 'heldOut',
  numFrames: number,
): boolean => sources.some((source) => wellsOf(source, part, numFrames).length > 0);

function wellsOf(source: OpenedSource, part: 'items' | 'heldOut', numFrames: number): Well[] {
  const { weight, miniworld } = source;
  const kind = numFrames === 1 ? 'image' : 'clip';
  if (miniworld && part === 'items') {
    const { maxObjects } = miniworld;
    const draw = (random: RandomStream) =>
      sceneAt(kind, 'train', Math.floor(random.next() * 2 ** 40), maxObjects);
    return [{ weight, draw }];
  }
  const items = source[part].filter((item) =>
    item.facts ? item.facts.numFrames >= numFrames : item.kind === kind,
  );
  return items.length === 0 ? [] : [{ weight, draw: (random) => random.pick(items) }];
}
