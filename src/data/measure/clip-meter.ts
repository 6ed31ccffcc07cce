/**
 * Measures a clip from small frames that are pushed one after another, in memory that does not grow
 * with the clip's length.
 */

import type { Picture } from '../../media/codecs/video.js';
import { motionScoreOf } from '../../media/flow/flow.js';
import {
  type Box,
  boxAround,
  cellsOf,
  chromaOf,
  contentBox,
  differenceHash,
  type Hash64,
  lumaOf,
} from './measure.js';
import { SceneDetector } from './scenes.js';

/** Clips are measured at this longer side, in pixels; motion and borders are scaled back. */
export const SMALL_SIDE = 256;
/**
 * At least this many evenly spaced frames give colours and
 * borders, at most twice as many; half give motion.
 */
const SAMPLES = 8;
/** Positions, as shares of the clip's length, at which hashes and full frames are taken. */
export const MOMENTS = [0.25, 0.5, 0.75];
const STATIC_GRID = 16;

export interface ClipMeasures {
  /** size of the small frames */
  width: number;
  height: number;
  numFrames: number;
  /** see `SceneDetector` */
  cuts: number[];
  /** in pixels of the small frames per frame; 0 for a clip of one frame, null if not requested */
  motionScore: number | null;
  /** see `chromaOf` */
  chroma: number;
  /** brightness range over time, 0..255, of the cell in a 16x16 grid that changes most */
  change: number;
  /** the part outside of which every sampled frame is black; null if all of it is black */
  content: Box | null;
  /** see `differenceHash`; empty if one of the frames is too uniform for a hash */
  hashes: Hash64[];
  /** the frames at `MOMENTS` */
  pictures: Picture[];
}

export class ClipMeter {
  private readonly scenes = new SceneDetector();
  private readonly sample = new EvenSample<{ before: Picture | null; picture: Picture }>(SAMPLES);
  private readonly lowest = new Float32Array(STATIC_GRID ** 2).fill(Number.POSITIVE_INFINITY);
  private readonly highest = new Float32Array(STATIC_GRID ** 2).fill(Number.NEGATIVE_INFINITY);
  private last: Picture | null = null;
  constructor(private readonly options: { motion: boolean }) {}

  push(picture: Picture): void {
    const luma = lumaOf(picture);
    this.scenes.push(picture, luma);
    cellsOf(luma, STATIC_GRID, STATIC_GRID).forEach((value, i) => {
      this.lowest[i] = Math.min(this.lowest[i]!, value);
      this.highest[i] = Math.max(this.highest[i]!, value);
    });
    this.sample.push({ before: this.last, picture });
    this.last = picture;
  }

  /** To be called after the last frame; there must have been at least one. */
  measures(): ClipMeasures {
    const pictures = this.sample.items.map(({ picture }) => picture);
    const { width, height } = pictures[0]!;
    const chosen = MOMENTS.map((share) => pictures[Math.round(share * (pictures.length - 1))]!);
    const hashes = chosen.map((picture) => differenceHash(lumaOf(picture)));
    return {
      width,
      height,
      numFrames: this.scenes.numFrames,
      cuts: this.scenes.cuts(),
      motionScore: this.options.motion ? this.motionScore() : null,
      chroma: mean(pictures.map(chromaOf)),
      change: Math.max(...this.highest.map((high, i) => high - this.lowest[i]!)),
      content: pictures.map((picture) => contentBox(lumaOf(picture))).reduce(boxAround),
      hashes: hashes.every((hash) => hash !== null) ? hashes : [],
      pictures: chosen,
    };
  }

  /** Mean motion score between sampled frames and the frames before them. */
  private motionScore(): number {
    const pairs = this.sample.items.filter(({ before }) => before !== null);
    const chosen = pairs.length < SAMPLES ? pairs : pairs.filter((_, i) => i % 2 === 0);
    if (chosen.length === 0) return 0;
    return mean(chosen.map(({ before, picture }) => motionScoreOf(join(before!, picture))));
  }
}

/** Keeps evenly spaced items of a sequence of unknown length: between `count` and twice as many. */
class EvenSample<T> {
  items: T[] = [];
  private seen = 0;
  private stride = 1;
  constructor(private readonly count: number) {}

  push(item: T): void {
    if (this.seen++ % this.stride !== 0) return;
    if (this.items.length === 2 * this.count) {
      this.items = this.items.filter((_, i) => i % 2 === 0);
      this.stride *= 2;
    }
    this.items.push(item);
  }
}

function join(a: Picture, b: Picture) {
  const data = new Uint8Array(a.data.length + b.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return { width: a.width, height: a.height, numFrames: 2, data };
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
