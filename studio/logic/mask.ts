/**
 * A painted mask: what was done, in order, and the picture that follows from it. White is generated.
 *
 * What is painted on a frame is carried to the frames after it, until one of them is painted on; the
 * first painted frame also counts for those before it. A move shifts the whole mask, and between two
 * moved frames it glides, so that it can follow what moves in a clip.
 */

import type { Gray, MaskAction, PaintAction, Point } from './mask-actions.js';
import { draw, shifted } from './mask-drawing.js';

export interface MaskDocument {
  width: number;
  height: number;
  numFrames: number;
  done: readonly MaskAction[];
  undone: readonly MaskAction[];
}

export const emptyMask = (width: number, height: number, numFrames: number): MaskDocument => ({
  width,
  height,
  numFrames,
  done: [],
  undone: [],
});

export const act = (mask: MaskDocument, action: MaskAction): MaskDocument => ({
  ...mask,
  done: [...mask.done, action],
  undone: [],
});

export function undo(mask: MaskDocument): MaskDocument {
  const last = mask.done.at(-1);
  if (!last) return mask;
  return { ...mask, done: mask.done.slice(0, -1), undone: [...mask.undone, last] };
}

export function redo(mask: MaskDocument): MaskDocument {
  const next = mask.undone.at(-1);
  if (!next) return mask;
  return { ...mask, done: [...mask.done, next], undone: mask.undone.slice(0, -1) };
}

const isPaint = (action: MaskAction): action is PaintAction => action.kind !== 'move';

/** The frames that were painted on or that the mask was moved on, in order. */
export const keyFrames = (mask: MaskDocument): number[] =>
  [...new Set(mask.done.map(({ frame }) => frame))].sort((a, b) => a - b);

/** How far the mask is moved on a frame: as on the nearest moved frame, between two of them in proportion. */
export function offsetAt(mask: MaskDocument, frame: number): Point {
  const moves = new Map<number, Point>();
  for (const action of mask.done) {
    if (action.kind === 'move') moves.set(action.frame, { x: action.dx, y: action.dy });
  }
  if (moves.size === 0) return { x: 0, y: 0 };
  // where it was painted first, it lies as it was painted
  const painted = mask.done.find(isPaint)?.frame ?? 0;
  if (!moves.has(painted)) moves.set(painted, { x: 0, y: 0 });
  const frames = [...moves.keys()].sort((a, b) => a - b);
  const before = frames.filter((at) => at <= frame).at(-1) ?? frames[0]!;
  const after = frames.find((at) => at >= frame) ?? frames.at(-1)!;
  const [from, to] = [moves.get(before)!, moves.get(after)!];
  const share = after === before ? 0 : (frame - before) / (after - before);
  const between = (a: number, b: number) => Math.round(a + (b - a) * share);
  return { x: between(from.x, to.x), y: between(from.y, to.y) };
}

/** What was painted that counts on a frame, in the order in which it is to be drawn. */
export function actionsFor(mask: MaskDocument, frame: number): PaintAction[] {
  const paint = mask.done.filter(isPaint);
  if (paint.length === 0) return [];
  const first = Math.min(...paint.map((action) => action.frame));
  const until = Math.max(frame, first);
  // sort is stable: actions on one frame stay in their order
  return paint.filter((action) => action.frame <= until).sort((a, b) => a.frame - b.frame);
}

/** The mask of one frame. */
export function drawMask(mask: MaskDocument, frame: number): Gray {
  const { width, height } = mask;
  const picture: Gray = { width, height, data: new Uint8Array(width * height) };
  for (const action of actionsFor(mask, frame)) draw(picture, action);
  const { x, y } = offsetAt(mask, frame);
  return x === 0 && y === 0 ? picture : shifted(picture, x, y);
}

/** The mask of every frame, or a single one if they are all the same. */
export function drawMasks(mask: MaskDocument): Gray[] {
  const moves = mask.done.some(({ kind }) => kind === 'move');
  const painted = new Set(mask.done.filter(isPaint).map(({ frame }) => frame));
  if (!moves && painted.size <= 1) return [drawMask(mask, 0)];
  return Array.from({ length: mask.numFrames }, (_, frame) => drawMask(mask, frame));
}

/** Whether anything is white on any frame. */
export const isBlank = (mask: MaskDocument): boolean =>
  drawMasks(mask).every(({ data }) => data.every((value) => value === 0));
