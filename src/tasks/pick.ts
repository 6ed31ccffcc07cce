/** Picks single frames of clips, of depth and of masks. */
import { type DepthMap, type Frames, sliceFrames } from '../media/index.js';
import type { Hole } from '../media/mask/resize-mask.js';
import type { Geometry, Known } from './condition-inputs.js';

/** The frames at these indices; a view of the same bytes if they follow one another. */
export function framesAt(clip: Frames, indices: readonly number[]): Frames {
  const first = indices[0]!;
  if (isRun(indices)) return sliceFrames(clip, first, first + indices.length);
  const data = planesAt(clip.data, indices, clip.width * clip.height * 3);
  return { width: clip.width, height: clip.height, numFrames: indices.length, data };
}

/** The depth of the frames at these indices. */
export function depthAt(map: DepthMap, indices: readonly number[]): DepthMap {
  const data = planesAt(map.data, indices, map.width * map.height);
  return { ...map, numFrames: indices.length, data };
}

/** The frames of [F, H, W] at these indices; `plane` is H · W. */
export function planesAt<A extends Hole>(from: A, indices: readonly number[], plane: number): A {
  const first = indices[0]!;
  if (isRun(indices)) return from.subarray(first * plane, (first + indices.length) * plane) as A;
  const length = indices.length * plane;
  const planes = from instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
  indices.forEach((index, i) => {
    planes.set(from.subarray(index * plane, (index + 1) * plane), i * plane);
  });
  return planes as A;
}

/** A known part without the frames whose place on the time line is left out; null if none stay. */
export function knownWhere(one: Known, stays: (place: number) => boolean): Known | null {
  const { frames, at, hole, depth } = one;
  const indices = at.flatMap((place, i) => (stays(place) ? [i] : []));
  if (indices.length === 0) return null;
  if (indices.length === at.length) return one;
  return {
    ...one,
    frames: framesAt(frames, indices),
    at: indices.map((i) => at[i]!),
    hole: hole && planesAt(hole, indices, frames.width * frames.height),
    depth: depth && depthAt(depth, indices),
  };
}

/** The same for depth. */
export function geometryWhere(one: Geometry, stays: (place: number) => boolean): Geometry | null {
  const { frames, at, depth } = one;
  const indices = at.flatMap((place, i) => (stays(place) ? [i] : []));
  if (indices.length === 0) return null;
  if (indices.length === at.length) return one;
  return {
    frames: frames && framesAt(frames, indices),
    depth: depth && depthAt(depth, indices),
    at: indices.map((i) => at[i]!),
  };
}

const isRun = (indices: readonly number[]): boolean =>
  indices.every((index, i) => index === indices[0]! + i);
