/**
 * Encodes the latents of all stages' samples, and estimates their depth, before the transformer's
 * training begins.
 */
import { setImmediate } from 'node:timers/promises';
import { KeyMap } from '../../../data/key-map.js';
import { ahead } from '../../../data/worker-pool.js';
import type { Reporter } from '../../loop/reporter.js';
import type { Stage } from '../../recipe/config.js';
import { needsLabels } from '../../recipe/levers-config.js';
import { bucketName } from '../buckets.js';
import type { SampleMaker, Wanted } from '../maker.js';
import type { OpenedSource, SourceItem } from '../sources.js';
import { type Entry, type StageSet, stageSet } from '../stage-set.js';
import { depthKey } from './depth-maps.js';
import { depthOrigin, estimatedFrames } from './depth-origin.js';
import { encodedAtOnce, type LatentEncoder, latentsKey } from './latents.js';

export interface AheadOptions {
  maker: SampleMaker;
  stages: readonly Stage[];
  /** the sources of each stage */
  sources: readonly (readonly OpenedSource[])[];
  /** which of the samples this process computes */
  world?: { rank: number; size: number };
  report: Reporter;
  signal: AbortSignal;
}

export interface EncodeOptions extends AheadOptions {
  encoder: LatentEncoder;
}

/** Number of samples that are prepared ahead of their encoding. */
const AHEAD = 16;

/**
 * Encodes what is not in the store yet. What is encoded stays there even if it is interrupted; other
 * processes see it after `store.refresh()`.
 *
 * @returns false if the signal stopped it
 */
export async function encodeAhead(options: EncodeOptions): Promise<boolean> {
  const { maker, encoder } = options;
  return inTurn('encoding latents', missingLatents, options, {
    prepare: (one) => maker.prepare(one, encoder),
    together: ({ target }) => [bucketName(target), encodedAtOnce(target)],
    finish(all) {
      for (const { latents } of maker.finish(
        all.map(([, ready]) => ready),
        encoder,
      )) {
        latents.dispose();
      }
    },
  });
}

/**
 * Estimates the depth that is not in the store yet, of samples that have it from the model; like
 * `encodeAhead`.
 *
 * @returns false if the signal stopped it
 */
export async function estimateAhead(options: AheadOptions): Promise<boolean> {
  const { maker } = options;
  return inTurn('estimating depth', missingDepth, options, {
    prepare: (one) => maker.framesOf(one, one.frames),
    together: () => ['', 1],
    finish(all) {
      for (const [one, frames] of all) maker.estimateOf(one, one.frames, frames);
    },
  });
}

/**
 * Computes this process's share of what is missing in the store.
 * @param prepare   runs ahead, in other threads; `finish` on this one
 * @param together  samples that follow one another with the same name are finished together, at most so many
 */
async function inTurn<Options extends AheadOptions, One, Ready extends object>(
  label: string,
  missing: (options: Options) => One[],
  options: Options,
  {
    prepare,
    together,
    finish,
  }: {
    prepare: (one: One) => Promise<Ready | { problem: string }>;
    together: (one: One) => [name: string, most: number];
    finish: (all: readonly (readonly [One, Ready])[]) => void;
  },
): Promise<boolean> {
  const { maker, world = { rank: 0, size: 1 }, report, signal } = options;
  const { store } = maker.options;
  if (!store) return true;
  const own = missing(options).filter((_, i) => i % world.size === world.rank);
  if (own.length === 0) return true;
  report.start(label, own.length, 'samples');
  try {
    const made = ahead(own, AHEAD, async (one) => ({ one, ready: await prepare(one) }));
    let done = 0;
    let group: [One, Ready][] = [];
    let name = '';
    const finishGroup = () => {
      if (group.length > 0) finish(group);
      group = [];
    };
    for await (const { one, ready } of made) {
      await setImmediate(); // computing blocks the thread: let signals have their turn
      if (signal.aborted) return false;
      const [own, most] = together(one);
      if (own !== name) finishGroup();
      name = own;
      if (!('problem' in ready)) group.push([one, ready]);
      if (group.length >= most) finishGroup();
      report.update(++done, '');
    }
    finishGroup();
    return true;
  } finally {
    report.end();
    await store.flush();
  }
}

/** Frames whose depth is to be estimated. */
type WantedDepth = Pick<Wanted, 'item' | 'target'> & { frames: 'clip' | 'source' };

function missingDepth({ stages, sources, maker }: AheadOptions): WantedDepth[] {
  const found: WantedDepth[] = [];
  const seen = new KeyMap<true>();
  for (const [i, stage] of stages.entries()) {
    for (const part of ['items', 'heldOut'] as const) {
      for (const { item, target, tasks } of entriesOf(stageSet(sources[i]!, stage, part))) {
        const wanted = tasks.filter(({ task }) => depthOrigin(item, task, stage.depth) === 'model');
        for (const frames of new Set(wanted.map(({ task }) => estimatedFrames(task)))) {
          const key = depthKey(item, target, frames, maker.depthMaps!);
          if (maker.options.store!.has(key) || seen.has(key)) continue;
          seen.set(key, true);
          found.push({ item, target, frames });
        }
      }
    }
  }
  return found;
}

/** Do any samples of the stages have depth from the model? */
export const someFromModel = ({ stages, sources }: Pick<AheadOptions, 'stages' | 'sources'>) =>
  stages.some((stage, i) => {
    if (stage.depth.model === undefined) return false;
    for (const { item, tasks } of entriesOf(stageSet(sources[i]!, stage))) {
      if (tasks.some(({ task }) => depthOrigin(item, task, stage.depth) === 'model')) return true;
    }
    return false;
  });

function missingLatents({ stages, sources, maker, encoder }: EncodeOptions): Wanted[] {
  const found: Wanted[] = [];
  const seen = new KeyMap<true>();
  stages.forEach((stage, i) => {
    const labels = needsLabels(stage.alignment);
    for (const part of ['items', 'heldOut'] as const) {
      for (const [item, target] of samplesOf(stageSet(sources[i]!, stage, part))) {
        const key = latentsKey(item, target, encoder);
        if (maker.options.store!.has(key) || seen.has(key)) continue;
        seen.set(key, true);
        found.push({ item, target, task: null, labels, seed: 0, label: '' });
      }
    }
  });
  return found;
}

function* samplesOf(set: StageSet): Generator<[SourceItem, Wanted['target']]> {
  for (const { item, target } of entriesOf(set)) yield [item, target];
}

function* entriesOf(set: StageSet): Generator<Entry & Pick<Wanted, 'target'>> {
  for (const { buckets } of [...set.image, ...set.clip]) {
    for (const { target, entries } of buckets) {
      for (const entry of entries) yield { ...entry, target };
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
