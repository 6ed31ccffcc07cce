/** Functions on clips and masks, from which the tasks' declarations are built. */
import { InputError } from '../errors.js';
import { type DepthMap, type Frames, type Mask, sliceFrames } from '../media/index.js';
import { type ConditionInputs, type Geometry, given } from './condition.js';

/** Every frame is given, at its own position. */
export function everyFrame(
  frames: Frames,
  { hole = null, gray = false }: { hole?: Uint8Array | null; gray?: boolean } = {},
): ConditionInputs {
  return given({ known: [{ frames, at: places(frames, 0), hole }], gray });
}

/** The beginning of a clip of `numFrames` is given, and its end too unless `tail` is null. */
export function ends(head: Frames, tail: Frames | null, numFrames: number): ConditionInputs {
  const count = head.numFrames + (tail?.numFrames ?? 0);
  if (count > numFrames) {
    throw new InputError(
      `${numFrames} frames: are fewer than the ${count} known frames of the input; ask for more with \`numFrames\``,
    );
  }
  const known = [{ frames: head, at: places(head, 0), hole: null }];
  if (tail) known.push({ frames: tail, at: places(tail, numFrames - tail.numFrames), hole: null });
  return given({ known, depth: true });
}

/** Every frame's depth is given, and the first frame's pixels too unless `look` is null. */
export function shapeOnly(geometry: Geometry, look: Frames | null): ConditionInputs {
  return given({ geometry, known: look ? [{ frames: look, at: [0], hole: null }] : [] });
}

const places = ({ numFrames }: Frames, from: number): number[] =>
  Array.from({ length: numFrames }, (_, i) => from + i);

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
