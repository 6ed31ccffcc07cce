/** The batches of a stage, made ahead of their use: workers are busy while the model is. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../errors.js';
import type { Stage } from '../config.js';
import type { Feed, FeedFigures, FeedPosition, StepBatch, TrainSample } from './batch.js';
import { croppedShare, tokensOf } from './buckets.js';
import { type Drawn, drawUse } from './draw.js';
import type { LatentEncoder } from './latents.js';
import type { Ready, SampleMaker } from './maker.js';
import { BatchPlan, type PlannedBatch } from './plan.js';
import type { OpenedSource } from './sources.js';
import { type Entry, stageSet } from './stage-set.js';

export interface FeedOptions {
  maker: SampleMaker;
  stage: Stage;
  sources: readonly OpenedSource[];
  seed: number;
  /** of another feed of the same stage, seed and sources; default: the first batch */
  position?: FeedPosition | null;
  /** the share of the stage that is over when so many batches are taken, or by the clock */
  doneAt: (taken: number) => number;
  /** which samples of each batch are made here */
  world?: { rank: number; size: number };
  encoder: LatentEncoder;
  /** told once of each file that cannot be read */
  onSkip?: (where: string, reason: string) => void;
}

/** Batches that are under way or wait to be taken. */
const AHEAD = 3;
/** Files that fail one after another before the bucket counts as lost. */
const ATTEMPTS = 16;

interface Planned {
  batch: PlannedBatch;
  samples: Promise<Underway[]>;
}

interface Underway {
  index: number;
  entry: Entry;
  drawn: Drawn;
  ready: Ready;
}

/**
 * Opens the feed of a stage.
 *
 * @throws InputError if the sources hold nothing for the stage's tasks
 */
export async function openFeed(options: FeedOptions): Promise<Feed> {
  const { stage, sources, seed, maker, encoder, onSkip } = options;
  const { world = { rank: 0, size: 1 } } = options;
  const plan = new BatchPlan(stageSet(sources, stage), options);
  const lost = new Set<string>();
  const queue: Planned[] = [];
  const sums = { batches: 0, samples: 0, filled: 0, cropped: 0, skipped: 0 };
  let closed = false;

  async function sampleAt(batch: PlannedBatch, index: number): Promise<Underway> {
    const label = `${stage.name} sample ${batch.step} ${index}`;
    const { target } = batch.bucket;
    let entry = batch.entries[index]!;
    let reason = '';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) entry = plan.replacement(batch, index, attempt);
      const { item } = entry;
      if (lost.has(item.where)) continue;
      const drawn = drawUse(entry, target, stage, { seed, label });
      const task = drawn.conditioned ? drawn.task.id : null;
      const wanted = { item, target, task, seed, label: `${label} given` };
      const ready = await maker.prepare(wanted, encoder);
      if (!('problem' in ready)) {
        if (attempt > 0) sums.skipped++;
        return { index, entry, drawn, ready };
      }
      reason = ready.problem;
      if (!lost.has(item.where)) onSkip?.(item.where, reason);
      lost.add(item.where);
    }
    const { width, height, numFrames } = target;
    throw new InputError(
      `${stage.name}: no sample of ${width}x${height}, ${numFrames} frames, can be read any more${reason && ` (last: ${reason})`}; check that the data are where they were`,
    );
  }

  function fill(): void {
    while (!closed && queue.length < AHEAD) {
      const batch = plan.next();
      const own = batch.entries.map((_, i) => i).filter((i) => i % world.size === world.rank);
      const samples = Promise.all(own.map((index) => sampleAt(batch, index)));
      samples.catch(() => {}); // reported when its turn comes
      queue.push({ batch, samples });
    }
  }

  async function next(): Promise<StepBatch> {
    const { batch, samples: underway } = queue.shift()!;
    fill();
    const ready = await underway;
    const samples: TrainSample[] = [];
    for (const { index, entry, drawn, ready: made } of ready) {
      if (!made.stored) await setImmediate(); // encoding blocks: workers and signals get their turn
      const { latents, motionScore } = maker.finish(made, encoder);
      const { task, caption, prompt } = drawn;
      const { given } = made;
      samples.push({
        ...{ where: entry.item.where, index, task, caption, prompt, given, latents, motionScore },
      });
    }
    const { kind, entries, bucket, position } = batch;
    const { target } = bucket;
    const tokens = tokensOf(target);
    sums.batches++;
    sums.samples += entries.length;
    sums.filled += Math.min(1, (entries.length * tokens) / stage.tokensPerBatch);
    for (const { facts } of entries) sums.cropped += croppedShare(facts, target);
    return { kind, target, samples, count: entries.length, tokens, position };
  }

  fill();
  return {
    next,
    figures: (): FeedFigures => ({
      ...sums,
      filled: sums.batches === 0 ? 0 : sums.filled / sums.batches,
      cropped: sums.samples === 0 ? 0 : sums.cropped / sums.samples,
    }),
    async close() {
      closed = true;
      await Promise.allSettled(queue.map(({ samples }) => samples));
    },
  };
}
