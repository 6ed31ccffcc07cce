/**
 * Baselines: results that need no model, which a trained model has to beat. Which of them apply to a task
 * follows from its inputs, not from its name.
 */
import { type Frames, tensorToFrames } from '../media/index.js';
import {
  type ConditionInputs,
  conditionOf,
  given as givenOf,
  type Target,
} from '../tasks/index.js';
import { tidy } from '../tensor/index.js';
import { harmonicFill } from './harmonic.js';

export interface Baseline {
  name: string;
  /** it is the unchanged input, enlarged if it is smaller than the target */
  copiesInput: boolean;
  /**
   * its result for the given inputs, at the target's size and length, with known pixels unchanged. Null
   * if it does not apply: it has nothing to work from, or nothing to do
   */
  of(laid: Laid): Frames | null;
}

export const BASELINES: readonly Baseline[] = [
  {
    name: 'bicubic',
    copiesInput: true,
    of: ({ clip, all, kind }) => (all && kind === 'smaller' ? clip : null),
  },
  {
    name: 'gray copy',
    copiesInput: true,
    of: ({ clip, all, kind }) => (all && kind === 'gray' ? clip : null),
  },
  {
    // middle gray where unknown; depth alone is not a picture that could be copied
    name: 'input',
    copiesInput: true,
    of: ({ clip, any, all, kind, shape }) =>
      !any || shape || (all && kind !== 'whole') ? null : clip,
  },
  {
    name: 'middle gray',
    copiesInput: false,
    of: ({ clip, any, shape }) => (shape && !any ? clip : null),
  },
  // spatial fills within a frame, if every frame has known pixels
  {
    name: 'mean fill',
    copiesInput: false,
    of: ({ clip, hole, inEach }) => (inEach ? meanFill(clip, hole) : null),
  },
  {
    name: 'harmonic',
    copiesInput: false,
    of: ({ clip, hole, inEach }) => (inEach ? harmonicFill(clip, hole) : null),
  },
  // temporal fills, if pixels unknown in one frame are known in another
  {
    name: 'nearest frame',
    copiesInput: false,
    of: ({ clip, hole, elsewhere }) => (elsewhere ? nearestFrameFill(clip, hole) : null),
  },
  {
    name: 'cross-fade',
    copiesInput: false,
    of: ({ clip, hole, between }) => (between ? crossFade(clip, hole) : null),
  },
];

/** The results of all baselines that apply, by name. */
export function baselineClips(laid: Laid): Map<string, Frames> {
  const clips = BASELINES.map(({ name, of }) => [name, of(laid)] as const);
  return new Map(clips.flatMap(([name, clip]) => (clip ? [[name, clip]] : [])));
}

/** A still clip: the first frame, repeated. */
export function repeatFirstFrame({ width, height, numFrames, data }: Frames): Frames {
  const size = width * height * 3;
  const repeated = new Uint8Array(numFrames * size);
  for (let frame = 0; frame < numFrames; frame++) {
    repeated.set(data.subarray(0, size), frame * size);
  }
  return { width, height, numFrames, data: repeated };
}

/**
 * Fills the hole with the mean colour of the frame's known pixels; if the frame has none, with the mean
 * of the clip's known pixels; if that has none, with middle gray.
 *
 * @param hole  [F, H, W], 1 where something is missing; the clip's pixels there are ignored
 */
export function meanFill(clip: Frames, hole: Uint8Array): Frames {
  const { numFrames } = clip;
  const plane = clip.width * clip.height;
  const data = clip.data.slice();
  const wholeClip = meanKnown(clip, hole, 0, numFrames * plane) ?? [128, 128, 128];
  for (let frame = 0; frame < numFrames; frame++) {
    const [from, to] = [frame * plane, (frame + 1) * plane];
    const colour = meanKnown(clip, hole, from, to) ?? wholeClip;
    for (let p = from; p < to; p++) {
      if (hole[p]) data.set(colour, p * 3);
    }
  }
  return { ...clip, data };
}

/**
 * Fills each pixel of the hole from the frame nearest in time in which it is known, the earlier one at a
 * tie; pixels known in no frame are filled as by `meanFill`. Given only the beginning or end of a clip,
 * the result is a still image there.
 *
 * @param hole  as in `meanFill`
 */
export function nearestFrameFill(clip: Frames, hole: Uint8Array): Frames {
  return fillInTime(clip, hole, (since, until) => (until < since ? 1 : 0));
}

/**
 * Fills each pixel of the hole by linear interpolation in time between the last frame before and the
 * first frame after in which it is known; if there is only one of these, from that one; pixels known in
 * no frame are filled as by `meanFill`.
 *
 * @param hole  as in `meanFill`
 */
export function crossFade(clip: Frames, hole: Uint8Array): Frames {
  return fillInTime(clip, hole, (since, until) => since / (since + until));
}

/**
 * @param shareAfter  weight of the later frame, given the
 * distances from the earlier and to the later one
 */
function fillInTime(
  clip: Frames,
  hole: Uint8Array,
  shareAfter: (since: number, until: number) => number,
): Frames {
  const { numFrames, data } = clip;
  const plane = clip.width * clip.height;
  const filled = meanFill(clip, hole);
  for (let p = 0; p < plane; p++) {
    let before = -1;
    for (let after = 0; after <= numFrames; after++) {
      if (after < numFrames && hole[after * plane + p]) continue;
      if (before < 0 && after === numFrames) break; // no frame knows the pixel
      for (let frame = before + 1; frame < after; frame++) {
        const share =
          before < 0 ? 1 : after === numFrames ? 0 : shareAfter(frame - before, after - frame);
        for (let c = 0; c < 3; c++) {
          const earlier = share < 1 ? data[(before * plane + p) * 3 + c]! : 0;
          const later = share > 0 ? data[(after * plane + p) * 3 + c]! : 0;
          filled.data[(frame * plane + p) * 3 + c] = Math.round(
            (1 - share) * earlier + share * later,
          );
        }
      }
      before = after;
    }
  }
  return filled;
}

/** The inputs on the target's grid, and what is known in them. */
export interface Laid {
  clip: Frames;
  /** [F, H, W], 1 where unknown; `clip` is middle gray there */
  hole: Uint8Array;
  /** some pixels are known; all pixels are known */
  any: boolean;
  all: boolean;
  /** the depth of frames is given beside, or instead of, their pixels */
  shape: boolean;
  /** whether the known frames lack resolution or colours, compared with the result */
  kind: 'smaller' | 'gray' | 'whole';
  /** some pixels are unknown, and every frame has known ones */
  inEach: boolean;
  /**
   * some pixel is unknown in one frame and known in another;
   * `between`: in an earlier and in a later one
   */
  elsewhere: boolean;
  between: boolean;
}

/** Lays out the given inputs on the target's grid. */
export function layOut({ known, geometry }: ConditionInputs, target: Target): Laid {
  const { clip, hole } = tidy(() => {
    const { pixels, mask } = conditionOf(givenOf({ known }), target);
    const hole = Uint8Array.from(mask.toFloat32Array(), (kept) => (kept < 1 ? 1 : 0));
    return { clip: tensorToFrames(pixels), hole };
  });
  const smaller = known.some(
    ({ frames: { width, height } }) => width < target.width || height < target.height,
  );
  return {
    clip,
    hole,
    any: hole.includes(0),
    all: !hole.includes(1),
    shape: geometry.length > 0,
    kind: known.some(({ gray }) => gray) ? 'gray' : smaller ? 'smaller' : 'whole',
    ...knowledgeOf(hole, target),
  };
}

function knowledgeOf(
  hole: Uint8Array,
  { width, height, numFrames }: Target,
): Pick<Laid, 'inEach' | 'elsewhere' | 'between'> {
  const plane = width * height;
  const frames = Array.from({ length: numFrames }, (_, f) =>
    hole.subarray(f * plane, (f + 1) * plane),
  );
  let [elsewhere, between] = [false, false];
  for (let p = 0; p < plane && !between; p++) {
    const first = frames.findIndex((frame) => !frame[p]);
    const last = frames.findLastIndex((frame) => !frame[p]);
    if (first < 0) continue;
    between = frames.slice(first, last).some((frame) => frame[p]);
    elsewhere ||= between || first > 0 || last < numFrames - 1;
  }
  return {
    inEach: hole.includes(1) && frames.every((frame) => frame.includes(0)),
    elsewhere,
    between,
  };
}

/**
 * Mean RGB, rounded, of the known pixels with indices from `from` to `to` (exclusive); null if
 * there are none.
 */
function meanKnown(
  { data }: Frames,
  hole: Uint8Array,
  from: number,
  to: number,
): [number, number, number] | null {
  let [red, green, blue, count] = [0, 0, 0, 0];
  for (let p = from; p < to; p++) {
    if (hole[p]) continue;
    red += data[p * 3]!;
    green += data[p * 3 + 1]!;
    blue += data[p * 3 + 2]!;
    count++;
  }
  if (count === 0) return null;
  return [Math.round(red / count), Math.round(green / count), Math.round(blue / count)];
}
