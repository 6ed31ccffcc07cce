/** The verdicts of `data check` on an item, and their thresholds. docs/data.md explains them. */
import { type CaptionLimit, excessOf } from '../caption-length.js';
import { type DataItem, namesOf } from '../sources/items.js';
import type { Duplicate } from './duplicates.js';
import type { Inspection } from './inspect.js';

export const VERDICTS = [
  ...(['unreadable', 'damaged', 'does not fit', 'too short', 'no caption', 'duplicate'] as const),
  ...(['near duplicate', 'scene cut', 'static', 'blurred', 'black borders'] as const),
  ...(['long caption', 'odd size', 'note'] as const),
] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Finding {
  verdict: Verdict;
  /** one sentence, or '' if the verdict says everything */
  text: string;
}

/** Verdicts that only inform: such an item can be used for training. */
const INFORMATION: readonly Verdict[] = ['long caption', 'odd size', 'note'];
export const isProblem = ({ verdict }: Finding): boolean => !INFORMATION.includes(verdict);

/** Length of the shortest clips in training, in frames: 4k + 1. */
export const MIN_FRAMES = 17;
/**
 * Variance of the Laplacian below which a picture counts as blurred. Measured: 44 for a photo with
 * little in focus, 87 and more for others; 1 to 10 for any of them blurred over 3 pixels.
 */
const BLURRED = 20;
/**
 * A clip is static if no cell of a 16x16 grid changes by this many gray levels; moving clips
 * measured 80 and more.
 */
const STATIC = 3;
/** Smallest border, as a share of the side. */
const BORDER = 0.02;
/** Width and height of training samples are multiples of this, the size of a token in pixels. */
const MULTIPLE = 16;

export interface Limits {
  /** clips with fewer frames are too short */
  minFrames: number;
  /** how much of a caption the text encoder reads */
  caption: CaptionLimit;
}

/** All findings on an item that could be opened. */
export function findingsOf(
  { prompt, unread = [] }: Pick<DataItem, 'prompt' | 'unread'>,
  { facts, hasPrompt, fps, cuts, change, content, notes, mismatches }: Inspection,
  duplicate: Duplicate | null,
  { minFrames, caption }: Limits,
): Finding[] {
  const { kind, width, height, numFrames, sharpness } = facts;
  const findings: Finding[] = [];
  const add = (verdict: Verdict, text = '') => findings.push({ verdict, text });
  const isClip = kind === 'clip';
  for (const note of notes)
    add(/: damaged, /.test(note) ? 'damaged' : 'note', note.replace(': damaged, ', ': '));
  for (const mismatch of mismatches) add('does not fit', mismatch);
  if (isClip && numFrames < minFrames) {
    add('too short', `${framesOf(numFrames)}, at least ${minFrames} are needed`);
  }
  if (!hasPrompt) add('no caption', facts.hasEditSource ? 'no instruction' : elsewhere(unread));
  const excess = excessOf(prompt, caption);
  if (excess !== null) {
    const about = excess.isEstimate ? 'about ' : '';
    const read = `the text encoder reads only the first ${caption.tokens}`;
    add('long caption', `${about}${excess.tokens} tokens with the task's name, ${read}`);
  }
  if (duplicate) {
    add(duplicate.kind === 'exact' ? 'duplicate' : 'near duplicate', `of ${duplicate.of}`);
  }
  if (cuts.length > 0) add('scene cut', cutsText(cuts, fps));
  if (isClip && numFrames > 1 && change !== null && change < STATIC) {
    add('static', `no part changes by more than ${change.toFixed(1)} of 255`);
  }
  if (sharpness !== null && sharpness < BLURRED) {
    add('blurred', `sharpness ${sharpness.toFixed(0)}, below ${BLURRED}`);
  }
  if (content === null) {
    add('black borders', 'all of it is black');
  } else {
    const { left, top } = content;
    const right = width - left - content.width;
    const bottom = height - top - content.height;
    const columns = Math.max(2, BORDER * width);
    const rows = Math.max(2, BORDER * height);
    if (Math.max(left, right) >= columns || Math.max(top, bottom) >= rows) {
      add('black borders', `crop=${content.width}:${content.height}:${left}:${top} is the picture`);
    }
  }
  if (width % MULTIPLE !== 0 || height % MULTIPLE !== 0) {
    const [w, h] = [width, height].map((side) => side - (side % MULTIPLE));
    add('odd size', `not a multiple of ${MULTIPLE}, at most ${w}x${h} of it is used`);
  }
  return findings;
}

/** A hint at unread files or fields that may hold the caption. */
const elsewhere = (unread: readonly string[]): string =>
  unread.length === 0
    ? ''
    : `it is the "prompt", "caption" or "text", and not read from ${namesOf(unread)}`;

export const framesOf = (count: number): string => `${count} ${count === 1 ? 'frame' : 'frames'}`;

function cutsText(cuts: readonly number[], fps: number | null): string {
  const shown = cuts
    .slice(0, 5)
    .map((cut) => `${cut}${fps ? ` (${(cut / fps).toFixed(1)} s)` : ''}`);
  const more = cuts.length > shown.length ? ` and ${cuts.length - shown.length} more` : '';
  return `at frame ${shown.join(', ')}${more}`;
}
