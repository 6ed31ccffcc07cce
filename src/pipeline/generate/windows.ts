/** A result longer than what is made at once: windows that follow one another, and what they share. */
import { type DepthMap, type Frames, resizeFrames, sliceFrames } from '../../media/index.js';
import { nextFitting } from '../../models/latent-grid.js';
import {
  type ConditionInputs,
  given,
  type Known,
  type Target,
  type Task,
} from '../../tasks/index.js';
import { joinFrames } from './clip-window.js';
import type { Sizes } from './fitting.js';

/** What is made at once, of a result that may be longer. */
export interface Window {
  /** of what is made: the user's, or for what follows the task of going on */
  task: Task;
  given: ConditionInputs;
  /** frames that are made, 4k + 1 */
  numFrames: number;
  /** of these, the first that the result has */
  kept: number;
  /** of these, the first that the window before has too */
  overlap: number;
  last: boolean;
}

/** A result, window by window. */
export interface WindowPlan extends Sizes {
  /** of the first window */
  target: Target;
  /** frames a second of the result */
  fps: number;
  /** frames that windows after the first share with the one before */
  overlap: number;
  /** frames of the result, and windows that they are made in; null: told when the input ends */
  numFrames: number | null;
  numWindows: number | null;
  /** whose sound goes with the result's frames from its first on */
  audio: string | null;
  /** the input's colours are of full range */
  fullRange: boolean;
  /** what of the input comes before and after what is made */
  before: Frames | null;
  after: Frames | null;
  /** once */
  windows(): AsyncGenerator<Window>;
  /** of the first window, for what it costs */
  first: ConditionInputs;
}

/**
 * Frames that two windows have in common: of going on those that extending is trained with, else
 * whole groups of frames that share a latent.
 */
export const OVERLAPS = { 'goes on': 8, filled: 5, 'first frame': 1, 'cross-faded': 4 } as const;

/** Where a window lies on the result's time line. */
export interface Span {
  start: number;
  /** 4k + 1 */
  made: number;
  /** of the made ones the first, which the result has */
  kept: number;
  /** the first, which the window before has too */
  overlap: number;
}

/**
 * The windows of a result.
 *
 * @param wanted   frames of the result
 * @param most     frames that are made at once, 4k + 1
 * @param ending   frames at the end that are given: the last window has them all, and more
 */
export function windowSpans(
  wanted: number,
  most: number,
  { overlap: common, ending = 0 }: { overlap: number; ending?: number },
): Span[] {
  const spans: Span[] = [];
  const least = ending > 0 ? ending + 1 : 0;
  for (let end = 0; end < wanted; ) {
    const overlap = end === 0 ? 0 : Math.min(common, most - 1);
    const left = wanted - end;
    if (left + overlap <= most) {
      // the last is as short as it can be; it begins so early that nothing of it is left over
      const made = nextFitting(left + overlap);
      const shared = end === 0 ? 0 : made - left;
      spans.push({ start: end - shared, made, kept: left + shared, overlap: shared });
      break;
    }
    const after = left - (most - overlap);
    const kept = after < least ? most - (least - after) : most;
    spans.push({ start: end - overlap, made: most, kept, overlap });
    end += kept - overlap;
  }
  return spans;
}

/** What is known of frames `start` to `start + count`, at their places there. */
export function knownWithin(known: readonly Known[], start: number, count: number): Known[] {
  return known.flatMap((one) => {
    const within = one.at.flatMap((place, i) =>
      place >= start && place < start + count ? [i] : [],
    );
    return picked(one, within).map((part) => ({
      ...part,
      at: part.at.map((place) => place - start),
    }));
  });
}

/** Some of the known frames; nothing where there are none. */
function picked(one: Known, indices: number[]): Known[] {
  const { frames, at, hole, depth } = one;
  if (indices.length === 0) return [];
  if (indices.length === at.length) return [one];
  const plane = frames.width * frames.height;
  const parts = indices.map((i) => sliceFrames(frames, i, i + 1));
  return [
    {
      frames: joinFrames(parts),
      at: indices.map((i) => at[i]!),
      hole: hole && Buffer.concat(indices.map((i) => hole.subarray(i * plane, (i + 1) * plane))),
      ...(depth && { depth: pickedDepth(depth, indices) }),
    },
  ];
}

function pickedDepth(map: DepthMap, indices: number[]): DepthMap {
  const plane = map.width * map.height;
  const data = new Float32Array(indices.length * plane);
  indices.forEach((from, to) => {
    data.set(map.data.subarray(from * plane, (from + 1) * plane), to * plane);
  });
  return { ...map, numFrames: indices.length, data };
}

/**
 * What a window is given, and what was made of the frames that it shares with the one before.
 *
 * @param made   those frames, as they are in the result
 */
export function continued(task: Task, own: ConditionInputs, made: Frames): ConditionInputs {
  const at = Array.from({ length: made.numFrames }, (_, i) => i);
  switch (task.windows) {
    case 'goes on':
    case 'first frame': {
      const later = own.known.flatMap((one) =>
        picked(
          one,
          one.at.flatMap((place, i) => (place >= made.numFrames ? [i] : [])),
        ),
      );
      return given({ ...own, known: [{ frames: made, at, hole: null }, ...later] });
    }
    case 'filled': {
      const [{ frames, hole, ...rest }] = own.known as [ConditionInputs['known'][number]];
      const start = joinedStart(frames, resizeFrames(made, frames));
      const closed = hole?.slice() ?? null;
      closed?.fill(0, 0, made.numFrames * frames.width * frames.height);
      return given({ ...own, known: [{ ...rest, frames: start, hole: closed }] });
    }
    case 'cross-faded':
      return own;
  }
}

/** A clip with its first frames replaced. */
function joinedStart(frames: Frames, first: Frames): Frames {
  const data = new Uint8Array(frames.data);
  data.set(first.data);
  return { ...frames, data };
}
