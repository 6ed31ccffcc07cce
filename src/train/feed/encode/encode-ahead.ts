/** Encodes the latents of all stages' samples before the transformer's training begins. */
import { setImmediate } from 'node:timers/promises';
import { KeyMap } from '../../../data/key-map.js';
import { ahead } from '../../../data/worker-pool.js';
import type { Reporter } from '../../loop/reporter.js';
import type { Stage } from '../../recipe/config.js';
import type { SampleMaker, Wanted } from '../maker.js';
import type { OpenedSource, SourceItem } from '../sources.js';
import { type StageSet, stageSet } from '../stage-set.js';
import { type LatentEncoder, latentsKey } from './latents.js';

export interface EncodeOptions {
  maker: SampleMaker;
  stages: readonly Stage[];
  /** the sources of each stage */
  sources: readonly (readonly OpenedSource[])[];
  encoder: LatentEncoder;
  /** which of the samples this process encodes */
  world?: { rank: number; size: number };
  report: Reporter;
  signal: AbortSignal;
}

/** Number of samples that are prepared ahead of their encoding. */
const AHEAD = 8;

/**
 * Encodes what is not in the store yet. What is encoded stays there even if it is interrupted; other
 * processes see it after `store.refresh()`.
 *
 * @returns false if the signal stopped it
 */
export async function encodeAhead(options: EncodeOptions): Promise<boolean> {
  const { maker, encoder, world = { rank: 0, size: 1 }, report, signal } = options;
  const { store } = maker.options;
  if (!store) return true;
  const wanted = missing(options);
  const own = wanted.filter((_, i) => i % world.size === world.rank);
  if (own.length === 0) return true;
  report.start('encoding latents', own.length, 'samples');
  try {
    const made = ahead(own, AHEAD, (one) => maker.prepare(one, encoder));
    let done = 0;
    for await (const result of made) {
      await setImmediate(); // encoding blocks the thread: let signals have their turn
      if (signal.aborted) return false;
      if (!('problem' in result)) maker.finish(result, encoder).latents.dispose();
      report.update(++done, '');
    }
    return true;
  } finally {
    report.end();
    await store.flush();
  }
}

function missing({ stages, sources, maker, encoder }: EncodeOptions): Wanted[] {
  const found: Wanted[] = [];
  const seen = new KeyMap<true>();
  stages.forEach((stage, i) => {
    for (const part of ['items', 'heldOut'] as const) {
      for (const [item, target] of samplesOf(stageSet(sources[i]!, stage, part))) {
        const key = latentsKey(item, target, encoder);
        if (maker.options.store!.has(key) || seen.has(key)) continue;
        seen.set(key, true);
        found.push({ item, target, task: null, seed: 0, label: '' });
      }
    }
  });
  return found;
}

function* samplesOf(set: StageSet): Generator<[SourceItem, Wanted['target']]> {
  for (const { buckets } of [...set.image, ...set.clip]) {
    for (const { target, entries } of buckets) {
      for (const { item } of entries) yield [item, target];
    }
  }
}

/** Number of clips that the mean is taken over; they are spread evenly over the set. */
const MEAN_OVER = 256;

/**
 * The mean motion score of a stage's clips, each at the size that it is trained at; 0 if there are
 * no clips.
 */
export async function meanMotionScore(
  stage: Stage,
  sources: readonly OpenedSource[],
  { maker, encoder }: { maker: SampleMaker; encoder: LatentEncoder },
): Promise<number> {
  const { clip } = stageSet(sources, stage);
  const samples = [...samplesOf({ image: [], clip })];
  if (samples.length === 0) return 0;
  const count = Math.min(MEAN_OVER, samples.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => samples[Math.floor((i * samples.length) / count)]!,
  );
  const scores = await Promise.all(
    chosen.map(([item, target]) => maker.motionScore(item, target, encoder)),
  );
  return scores.reduce((sum, score) => sum + score, 0) / count;
}
