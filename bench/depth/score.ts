/** Scores of a depth model and of two baselines, item by item, and their means. */
import {
  depthErrors,
  depthFlicker,
  depthFlickerByFlow,
  followPoints,
  partialRankCorrelation,
} from '../../src/eval/index.js';
import type { Frames } from '../../src/media/index.js';

/** The model's estimate, and two that see no picture. */
export const ESTIMATES = ['model', 'ramp', 'constant'] as const;
export type EstimateName = (typeof ESTIMATES)[number];

export const FIGURES = {
  absRel: { label: 'AbsRel, %', factor: 100, digits: 2 },
  delta: { label: 'delta < 1.25, %', factor: 100, digits: 2 },
  rank: { label: 'rank corr.', factor: 1, digits: 3 },
  beyondRows: { label: 'beyond rows', factor: 1, digits: 3 },
  flicker: { label: 'flicker, %', factor: 100, digits: 2 },
} as const;
export type FigureName = keyof typeof FIGURES;

/** null: does not apply, such as the flicker of a picture */
export type Scores = Record<FigureName, number | null>;

/** One picture or clip of a set. */
export interface Scored {
  set: string;
  item: string;
  scores: Partial<Record<EstimateName, Scores>>;
}

export interface Mean {
  mean: number;
  /** standard error of the mean: the items' standard deviation / sqrt(count); null for one item */
  error: number | null;
  count: number;
}

/**
 * Scores estimates against the truth. A clip has one alignment for all its frames.
 *
 * @param truth  inverse distances, 0 where they are not known, [F, H, W]
 */
export function scoreAgainstTruth(
  estimate: Float32Array,
  frames: Frames,
  truth: Float32Array,
): Scored['scores'] {
  const { width, height, numFrames } = frames;
  const known = (values: Float32Array) => values.filter((_, i) => truth[i] > 0);
  const rows = known(truth.map((_, i) => Math.floor(i / width) % height));
  return eachEstimate(estimate, frames, (data): Scores => {
    const errors = depthErrors(data, truth);
    return {
      absRel: errors?.absRel ?? null,
      delta: errors?.delta ?? null,
      rank: errors?.rank ?? null,
      beyondRows: partialRankCorrelation(known(data), known(truth), rows),
      flicker: depthFlicker({ width, height, numFrames, data }, truth),
    };
  });
}

/** Scores flicker alone, along optical flow, since no truth is known. */
export function scoreFlicker(estimate: Float32Array, frames: Frames): Scored['scores'] {
  const { width, height, numFrames } = frames;
  const followed = followPoints(frames);
  return eachEstimate(estimate, frames, (data) => ({
    absRel: null,
    delta: null,
    rank: null,
    beyondRows: null,
    flicker: depthFlickerByFlow({ width, height, numFrames, data }, followed),
  }));
}

/** Mean of a figure over the items to which it applies; null if there are none. */
export function meanOf(
  items: readonly Scored[],
  estimate: EstimateName,
  figure: FigureName,
): Mean | null {
  const values = items.flatMap(({ scores }) => scores[estimate]?.[figure] ?? []);
  const count = values.length;
  if (count === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, count, error: count > 1 ? Math.sqrt(squares / (count - 1) / count) : null };
}

function eachEstimate(
  model: Float32Array,
  { width, height }: Frames,
  score: (data: Float32Array) => Scores,
): Scored['scores'] {
  // inverse distance rises linearly from the top row to the bottom one, as that of a ground does
  const ramp = model.map((_, i) => (Math.floor(i / width) % height) / height);
  return {
    model: score(model),
    ramp: score(ramp),
    constant: score(new Float32Array(model.length).fill(1)),
  };
}
