/** A result longer than what is made at once: windows that follow one another, and what they share. */
import { type Frames, resizeFrames } from '../media/index.js';
import { type Given, given, type Task } from '../tasks/index.js';
import { nextFitting } from './fitting.js';

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

/**
 * What a window is given, and what was made of the frames that it shares with the one before.
 *
 * @param made   those frames, as they are in the result
 */
export function continued(task: Task, own: Given, made: Frames): Given {
  const at = Array.from({ length: made.numFrames }, (_, i) => i);
  switch (task.windows) {
    case 'goes on':
      return given({ ...own, known: [{ frames: made, at, hole: null }, ...own.known] });
    case 'first frame':
      return given({ ...own, known: [{ frames: made, at, hole: null }] });
    case 'filled': {
      const [{ frames, hole, ...rest }] = own.known as [Given['known'][number]];
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
