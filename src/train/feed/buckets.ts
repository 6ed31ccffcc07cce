/**
 * Buckets: the size and length that each sample is trained at, so that all samples of a batch have
 * the same shape and nothing is padded.
 *
 * Sizes are multiples of 16. For a stage's area there are shapes with aspect ratios from 1:4 to
 * 4:1, which differ by at least 10 %; an item takes the nearest. It is scaled to cover that shape,
 * and what protrudes is cropped equally on both sides. Items are not enlarged: a smaller item takes
 * a shape of a smaller area, in steps of √2 down to a sixteenth of the stage's area, and only items
 * smaller than that are enlarged. With `aspect: fixed`, all items are brought to the stage's size. Scenes
 * are drawn at their size.
 *
 * Lengths are the stage's, then about three quarters of the previous one, and so on, each 4k + 1.
 */

import type { SampleFacts } from '../../data/sources/facts.js';
import { hasSameShape, type Size, shapeChange } from '../../media/frames.js';
import { TOKEN, tokensOf } from '../../models/latent-grid.js';
import type { Target } from '../../tasks/index.js';
import type { Stage } from '../recipe/config.js';
import type { Part } from './items/part.js';
import { samplesWithin } from './micro-batches.js';

export type StageShape = Pick<Stage, 'width' | 'height' | 'numFrames' | 'aspect'>;
const MOST_ASPECT = 4;
const ASPECT_STEP = 1.1;
/** Number of steps of √2 from the stage's area to the smallest area. */
const LEVELS = 8;
/**
 * Number of samples of this shape in a batch: as many as the token budget allows, but at least one.
 */
export const batchSizeOf = (target: Target, tokensPerBatch: number): number =>
  samplesWithin(tokensPerBatch, tokensOf(target));

export const bucketName = ({ width, height, numFrames }: Target): string =>
  `${width}x${height}x${numFrames}`;

/**
 * The shape that an item is trained at, as an image or as a clip; null if it is too short for a
 * clip.
 */
export function targetOf(
  facts: Pick<SampleFacts, 'width' | 'height' | 'numFrames' | 'isDrawn'>,
  kind: 'image' | 'clip',
  stage: StageShape,
): Target | null {
  const numFrames = kind === 'image' ? 1 : lengthOf(facts.numFrames, stage.numFrames);
  if (numFrames === null) return null;
  const { width, height } = facts;
  return { ...(facts.isDrawn ? { width, height } : sizeOf(facts, stage)), numFrames };
}

function lengthOf(numFrames: number, most: number): number | null {
  let quarters = (most - 1) / 4;
  while (quarters > 0 && 4 * quarters + 1 > numFrames) {
    quarters = Math.min(quarters - 1, Math.round(quarters * 0.75));
  }
  return quarters > 0 ? 4 * quarters + 1 : null;
}

function sizeOf(item: Size, { width, height, aspect }: StageShape): Size {
  const own = { width, height };
  if (aspect === 'fixed') return own;
  for (const shapes of shapesOf(own)) {
    const nearest = shapes.reduce((a, b) => (shapeChange(b, item) < shapeChange(a, item) ? b : a));
    if (nearest.width <= item.width && nearest.height <= item.height) return nearest;
    if (shapes === shapesOf(own).at(-1)) return nearest;
  }
  return own;
}

const known = new Map<string, Size[][]>();

/** The shapes of a stage, one list per area, from the largest area to the smallest. */
function shapesOf(stage: Size): Size[][] {
  const name = `${stage.width}x${stage.height}`;
  let levels = known.get(name);
  if (!levels) {
    levels = [];
    const tokens = (stage.width * stage.height) / TOKEN ** 2;
    for (let level = 0; level <= LEVELS; level++) {
      // rounded down, with a margin so that powers of two stay exact
      const within = Math.floor(tokens * 2 ** (-level / 2) + 1e-9);
      if (within >= 1) levels.push(shapesWithin(within, level === 0 ? stage : null));
    }
    known.set(name, levels);
  }
  return levels;
}

function shapesWithin(tokens: number, own: Size | null): Size[] {
  const shapes: Size[] = own ? [own] : [];
  const candidates: Size[] = [];
  for (let rows = 1; rows <= tokens; rows++) {
    const size = { width: Math.floor(tokens / rows) * TOKEN, height: rows * TOKEN };
    const aspect = size.width / size.height;
    if (aspect <= MOST_ASPECT && aspect >= 1 / MOST_ASPECT) candidates.push(size);
  }
  // shapes that use most of the area come first
  candidates.sort((a, b) => b.width * b.height - a.width * a.height || a.height - b.height);
  for (const size of candidates) {
    if (shapes.every((shape) => shapeChange(shape, size) > ASPECT_STEP)) shapes.push(size);
  }
  return shapes;
}

/** The size to which an item is scaled to cover another size, and where the crop begins. */
export interface Cover {
  scaled: Size;
  left: number;
  top: number;
  mirrored: boolean;
}

/** @param part   the part of the item that covers the size; default: all of it */
export function coverOf(item: Size, size: Size, part: Part = WHOLE): Cover {
  const { mirrored } = part;
  if (part.scale === 1 && hasSameShape(item, size)) {
    return { scaled: { width: size.width, height: size.height }, left: 0, top: 0, mirrored };
  }
  const scale = Math.max(size.width / item.width, size.height / item.height) / part.scale;
  const width = Math.max(size.width, Math.round(item.width * scale));
  const height = Math.max(size.height, Math.round(item.height * scale));
  return {
    scaled: { width, height },
    left: Math.floor((width - size.width) * part.left),
    top: Math.floor((height - size.height) * part.top),
    mirrored,
  };
}

/** All of an item; what protrudes is cropped equally on both sides. */
const WHOLE: Part = { scale: 1, left: 0.5, top: 0.5, mirrored: false };

/** The share of an item's area that is cropped, 0..1. */
export function croppedShare(item: Size, size: Size): number {
  const { scaled } = coverOf(item, size);
  return 1 - (size.width * size.height) / (scaled.width * scaled.height);
}

/** A bucket in a report. */
export interface BucketRow {
  kind: 'image' | 'clip';
  width: number;
  height: number;
  numFrames: number;
  samples: number;
  batchSize: number;
  /** share of the samples of its kind, 0..1 */
  share: number;
}

export interface BucketReport {
  rows: BucketRow[];
  /** share of the token budget that batches leave unused, mean over batches, 0..1 */
  waste: number;
  /** share of the area that is cropped, mean over samples, 0..1 */
  cropped: number;
}

/** The buckets of a set of samples in a stage. */
export function bucketReport(
  samples: Iterable<{ kind: 'image' | 'clip'; facts: SampleFacts }>,
  stage: StageShape & Pick<Stage, 'tokensPerBatch'>,
): BucketReport {
  const rows = new Map<string, BucketRow>();
  const counts = { image: 0, clip: 0 };
  let cropped = 0;
  for (const { kind, facts } of samples) {
    const target = targetOf(facts, kind, stage);
    if (!target) continue;
    counts[kind]++;
    cropped += croppedShare(facts, target);
    const name = `${kind} ${bucketName(target)}`;
    const batchSize = batchSizeOf(target, stage.tokensPerBatch);
    const row = rows.get(name) ?? { kind, ...target, samples: 0, batchSize, share: 0 };
    row.samples++;
    rows.set(name, row);
  }
  let [batches, filled] = [0, 0];
  for (const row of rows.values()) {
    row.share = row.samples / counts[row.kind];
    const own = row.samples / row.batchSize;
    batches += own;
    // a sample that exceeds the budget makes a batch of its own
    filled += own * Math.min(1, (row.batchSize * tokensOf(row)) / stage.tokensPerBatch);
  }
  const total = counts.image + counts.clip;
  return {
    rows: [...rows.values()].sort((a, b) => tokensOf(b) - tokensOf(a) || b.samples - a.samples),
    waste: batches === 0 ? 0 : 1 - filled / batches,
    cropped: total === 0 ? 0 : cropped / total,
  };
}
