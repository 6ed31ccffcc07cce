/**
 * The batches of a stage, prepared ahead of their use, so that workers decode while the model
 * computes.
 */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../errors.js';
import { tokensOf } from '../../models/latent-grid.js';
import type { Stage } from '../recipe/config.js';
import { needsLabels } from '../recipe/levers-config.js';
import type { Feed, FeedPosition, StepBatch, TrainSample } from './batch.js';
import { type Drawn, drawUse } from './draw.js';
import { encodedAtOnce, type LatentEncoder } from './encode/latents.js';
import { firstMade, type Ready, type SampleMaker } from './maker.js';
import { BatchPlan, type PlannedBatch } from './plan.js';
import type { OpenedSource } from './sources.js';
import { type Entry, stageSet } from './stage-set.js';

export interface FeedOptions {
  maker: SampleMaker;
  stage: Stage;
  sources: readonly OpenedSource[];
  seed: number;
  /** the position of an earlier feed of the same stage, seed and sources; default: the first batch */
  position?: FeedPosition | null;
  /** the share of the stage that is over after this many batches, or by its time limit, 0..1 */
  doneAt: (taken: number) => number;
  /** factors of the tasks' weights in a batch, by task; read when the batch is planned */
  factorsAt?: (batch: number) => Readonly<Record<string, number>> | null;
  /** which samples of each batch this process makes */
  world?: { rank: number; size: number };
  encoder: LatentEncoder;
}

/** Number of batches that are being prepared or wait to be taken. */
export const AHEAD = 3;

interface Underway {
  batch: PlannedBatch;
  /** the samples of this process */
  samples: UnderwaySample[];
}

interface UnderwaySample {
  index: number;
  entry: Entry;
  drawn: Drawn;
  ready: Ready;
}

/**
 * Opens the feed of a stage. A file that cannot be read is replaced by another sample of its bucket
 * or, if none is left, its batch by one of another bucket; which one follows from the seed and the
 * position.
 *
 * @throws InputError if the sources hold nothing for the stage's tasks
 */
export async function openFeed(options: FeedOptions): Promise<Feed> {
  const { stage, sources, seed, maker, encoder } = options;
  const { world = { rank: 0, size: 1 } } = options;
  const set = stageSet(sources, stage);
  maker.passing.reserve([...set.image, ...set.clip].flatMap(({ buckets }) => buckets));
  const plan = new BatchPlan(set, options);
  const queue: Promise<Underway>[] = [];
  let closed = false;

  /**
   * Makes a planned batch. Processes agree on it without communication, as they see the same files; a
   * process that has no sample of the batch contributes none.
   */
  async function made(planned: PlannedBatch): Promise<Underway> {
    const found = await firstMade(plan.batchesFor(planned), samplesOf);
    if (!('problem' in found)) return found;
    throw new InputError(
      `${stage.name}: none of its data can be read any more (last: ${found.problem}); check that they are still where they were`,
    );
  }

  async function samplesOf(batch: PlannedBatch): Promise<Underway | { problem: string }> {
    const factors = options.factorsAt?.(batch.step) ?? null;
    const own = batch.entries.map((_, i) => i).filter((i) => i % world.size === world.rank);
    // the places of a batch may try the same files: each is tried only once per task
    const failed = new Map<string, { problem: string }>();
    const results = await Promise.all(
      own.map((index) => sampleAt(batch, index, { failed, factors })),
    );
    const samples: UnderwaySample[] = [];
    for (const result of results) {
      if ('problem' in result) return result;
      samples.push(result);
    }
    return { batch, samples };
  }

  function sampleAt(
    batch: PlannedBatch,
    index: number,
    {
      failed,
      factors,
    }: {
      failed: Map<string, { problem: string }>;
      factors: Readonly<Record<string, number>> | null;
    },
  ): Promise<UnderwaySample | { problem: string }> {
    const label = `${stage.name} sample ${batch.step} ${index}`;
    const { target } = batch.bucket;
    return firstMade(plan.entriesFor(batch, index), async (entry) => {
      const { item } = entry;
      const drawn = drawUse(entry, target, stage, { seed, label, factors });
      const task = drawn.conditioned ? drawn.task.id : null;
      const { depth } = drawn;
      const use = `${item.where} ${task} ${depth}`;
      const before = failed.get(use);
      if (before) return before;
      const { mixture } = stage;
      const { frameDropout } = stage.depth;
      const draws = { depth, frameDropout, mixture };
      const labels = needsLabels(stage.alignment);
      const wanted = { item, target, task, ...draws, labels, seed, label: `${label} given` };
      const ready = await maker.prepare(wanted, encoder);
      if (!('problem' in ready)) return { index, entry, drawn, ready };
      failed.set(use, ready);
      return ready;
    });
  }

  function fill(): void {
    while (!closed && queue.length < AHEAD) {
      const batch = made(plan.next());
      batch.catch(() => {}); // reported when its turn comes
      queue.push(batch);
    }
  }

  async function next(): Promise<StepBatch> {
    const underway = queue.shift()!;
    fill();
    const { batch, samples: ready } = await underway;
    const { kind, entries, bucket, position } = batch;
    const { target } = bucket;
    const samples: TrainSample[] = [];
    const size = encodedAtOnce(target);
    for (let first = 0; first < ready.length; first += size) {
      const some = ready.slice(first, first + size);
      // encoding blocks the thread: let workers and signals have their turn
      if (some.some(({ ready }) => !ready.stored)) await setImmediate();
      const finished = maker.finish(
        some.map(({ ready }) => ready),
        encoder,
      );
      some.forEach(({ index, entry, drawn, ready: { given, labels } }, i) => {
        const { task, caption, prompt } = drawn;
        const { where } = entry.item;
        samples.push({ where, index, task, caption, prompt, given, labels, ...finished[i]! });
      });
    }
    return { kind, target, samples, count: entries.length, tokens: tokensOf(target), position };
  }

  fill();
  return {
    next,
    async close() {
      closed = true;
      await Promise.allSettled(queue);
    },
  };
}
