/** Windows of a result that is too long to be generated at once, and the frames that they share. */
import { type Frames, resizeFrames } from '../../media/index.js';
import { nextFitting } from '../../models/latent-grid.js';
import {
  type ConditionInputs,
  geometryWhere,
  given,
  knownWhere,
  type Target,
  type Task,
} from '../../tasks/index.js';
import type { Sizes } from './fitting.js';

/** The frames that are generated at once, of a result that may be longer. */
export interface Window {
  /** the user's task; a continuation task for later windows of a clip that is extended */
  task: Task;
  given: ConditionInputs;
  /** frames that are generated, 4k + 1 */
  numFrames: number;
  /** of these, the first ones that belong to the result */
  kept: number;
  /** of these, the first ones that are shared with the previous window */
  overlap: number;
  last: boolean;
}

/** A result, window by window. */
export interface WindowPlan extends Sizes {
  /** size and frames of the first window */
  target: Target;
  /** frames per second of the result */
  fps: number;
  /** frames that each window after the first shares with the one before */
  overlap: number;
  /** frames of the result, and number of windows; null: unknown until the input ends */
  numFrames: number | null;
  numWindows: number | null;
  /** file whose sound belongs to the result, from its first frame on */
  audio: string | null;
  /** the input's colours have full range */
  fullRange: boolean;
  /** frames of the input that come before and after the generated ones */
  before: Frames | null;
  after: Frames | null;
  /** can be iterated once */
  windows(): AsyncGenerator<Window>;
  /** condition inputs of the first window, to estimate the cost */
  first: ConditionInputs;
}

/**
 * Frames that two windows share: when a clip is continued, as many as the task of extending is
 * trained with; otherwise whole groups of frames that share a latent.
 */
export const OVERLAPS = { 'goes on': 8, filled: 5, 'first frame': 1, 'cross-faded': 4 } as const;

/** A window's position on the result's timeline. */
export interface Span {
  start: number;
  /** 4k + 1 */
  made: number;
  /** of these, the first ones that belong to the result */
  kept: number;
  /** of these, the first ones that are shared with the previous window */
  overlap: number;
}

/**
 * Splits a result into windows.
 *
 * @param wanted   frames of the result
 * @param most     the most frames of a window, 4k + 1
 * @param ending   known frames at the end: the last window has all of them, and at least one more
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
      // the last window is as short as possible; it starts early enough to keep all of its frames
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

/** What is known of frames `start` to `start + count`, with positions relative to `start`. */
export function givenWithin(all: ConditionInputs, start: number, count: number): ConditionInputs {
  const isWithin = (place: number) => place >= start && place < start + count;
  const moved = <P extends { at: number[] }>(part: P | null): P[] =>
    part ? [{ ...part, at: part.at.map((place) => place - start) }] : [];
  return given({
    known: all.known.flatMap((one) => moved(knownWhere(one, isWithin))),
    geometry: all.geometry.flatMap((one) => moved(geometryWhere(one, isWithin))),
  });
}

/**
 * A window's condition inputs, with the shared frames as the previous window generated them.
 *
 * @param made   the shared frames, as they are in the result
 */
export function continued(task: Task, own: ConditionInputs, made: Frames): ConditionInputs {
  const at = Array.from({ length: made.numFrames }, (_, i) => i);
  switch (task.windows) {
    case 'goes on':
    case 'first frame': {
      const later = own.known.flatMap(
        (one) => knownWhere(one, (place) => place >= made.numFrames) ?? [],
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
