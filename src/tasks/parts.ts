/** Functions on clips and masks, from which the tasks' declarations are built. */
import type { Sample } from '../data/sources/sample.js';
import { InputError } from '../errors.js';
import { type DepthMap, type Frames, type Mask, sliceFrames } from '../media/index.js';
import { type ConditionInputs, type Geometry, given, type Known } from './condition-inputs.js';

/** Frames that are known from `from` on, one after the other. */
export function knownFrom(
  frames: Frames,
  from: number,
  { hole = null, gray = false, depth = null }: Partial<Pick<Known, 'hole' | 'gray' | 'depth'>> = {},
): Known {
  return { frames, at: places(frames, from), hole, gray, depth };
}

/** Every frame is given, at its own position. */
export const everyFrame = (
  frames: Frames,
  how: Partial<Pick<Known, 'hole' | 'gray' | 'depth'>> = {},
): ConditionInputs => given({ known: [knownFrom(frames, 0, how)] });

/** Frames at an end of a clip, with their depth if it is known. */
export interface End {
  frames: Frames;
  depth?: DepthMap | null;
}

/** The beginning of a clip of `numFrames` is given, and its end too unless `tail` is null. */
export function ends(head: End, tail: End | null, numFrames: number): ConditionInputs {
  const count = head.frames.numFrames + (tail?.frames.numFrames ?? 0);
  if (count > numFrames) {
    throw new InputError(
      `${numFrames} frames: are fewer than the ${count} known frames of the input; ask for more with \`numFrames\``,
    );
  }
  const known = [knownFrom(head.frames, 0, { depth: head.depth })];
  if (tail) {
    known.push(knownFrom(tail.frames, numFrames - tail.frames.numFrames, { depth: tail.depth }));
  }
  return given({ known });
}

/** Every frame's depth is given, and the first frame's pixels too unless `look` is null. */
export function shapeOnly(
  geometry: Omit<Geometry, 'at'>,
  look: Frames | null,
  numFrames: number,
): ConditionInputs {
  const at = Array.from({ length: numFrames }, (_, i) => i);
  return given({
    geometry: [{ frames: geometry.frames, depth: geometry.depth, at }],
    known: look ? [knownFrom(look, 0)] : [],
  });
}

const places = ({ numFrames }: Frames, from: number): number[] =>
  Array.from({ length: numFrames }, (_, i) => from + i);

/** The first frames of a sample, with their depth if it has any. */
export const firstOf = ({ clip, depth }: Pick<Sample, 'clip' | 'depth'>, count: number): End => ({
  frames: first(clip, count),
  depth: depth && cutDepth(depth, 0, Math.min(count, depth.numFrames)),
});

/** The last frames of a sample, with their depth if it has any. */
export const lastOf = ({ clip, depth }: Pick<Sample, 'clip' | 'depth'>, count: number): End => ({
  frames: last(clip, count),
  depth:
    depth &&
    cutDepth(depth, Math.max(0, depth.numFrames - count), Math.min(count, depth.numFrames)),
});

export const first = (clip: Frames, count: number): Frames =>
  sliceFrames(clip, 0, Math.min(count, clip.numFrames));

export const last = (clip: Frames, count: number): Frames =>
  sliceFrames(clip, Math.max(0, clip.numFrames - count), clip.numFrames);

/** A clip without its first or last frames; null if none are left. */
export function without(clip: Frames, end: 'first' | 'last', count: number): Frames | null {
  if (clip.numFrames <= count) return null;
  return end === 'first'
    ? sliceFrames(clip, count, clip.numFrames)
    : sliceFrames(clip, 0, clip.numFrames - count);
}

/** The first `numFrames` of a clip. */
export const cut = (clip: Frames, numFrames: number): Frames =>
  clip.numFrames === numFrames ? clip : sliceFrames(clip, 0, numFrames);

/** Frames `start` to `start + count` of a depth map. */
export function cutDepth(map: DepthMap, start: number, count: number): DepthMap {
  const plane = map.width * map.height;
  const data = map.data.subarray(start * plane, (start + count) * plane);
  return { ...map, numFrames: count, data };
}

/** The mask of a clip's first frames; a mask of one frame is repeated. */
export function cutMask(mask: Mask, numFrames: number): Uint8Array {
  const plane = mask.width * mask.height;
  if (mask.numFrames > 1) return mask.data.subarray(0, numFrames * plane);
  const repeated = new Uint8Array(numFrames * plane);
  for (let frame = 0; frame < numFrames; frame++) repeated.set(mask.data, frame * plane);
  return repeated;
}
