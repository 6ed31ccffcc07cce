/**
 * A painted mask: what was done, in order, and the picture that follows from it. White is generated.
 *
 * What is painted on a frame is carried to the frames after it, until one of them is painted on; the
 * first painted frame also counts for those before it. A move shifts the whole mask, and between two
 * moved frames it glides, so that it can follow what moves in a clip.
 */

export interface Point {
  x: number;
  y: number;
}

export interface Stroke {
  kind: 'stroke';
  frame: number;
  /** in pixels of the input, before any move of the mask */
  points: readonly Point[];
  radius: number;
  /** share of the radius over which the edge becomes soft, 0 to 1 */
  feather: number;
  erase: boolean;
}

export interface Box {
  kind: 'box';
  frame: number;
  x: number;
  y: number;
  width: number;
  height: number;
  /** pixels over which the edge becomes soft */
  feather: number;
  erase: boolean;
}

/** Everything is white (`fill`), or black. */
export interface Flood {
  kind: 'flood';
  frame: number;
  fill: boolean;
}

/** The mask is that of a picture, from this frame on. */
export interface Picture {
  kind: 'picture';
  frame: number;
  gray: Gray;
}

export interface Move {
  kind: 'move';
  frame: number;
  /** pixels by which the mask lies beside where it was painted, on this frame */
  dx: number;
  dy: number;
}

export type MaskAction = Stroke | Box | Flood | Picture | Move;

export interface MaskDocument {
  width: number;
  height: number;
  numFrames: number;
  done: readonly MaskAction[];
  undone: readonly MaskAction[];
}

/** A gray picture: one byte a pixel, row by row. */
export interface Gray {
  width: number;
  height: number;
  data: Uint8Array;
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

const isPaint = (action: MaskAction): action is Exclude<MaskAction, Move> => action.kind !== 'move';

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
export function actionsFor(mask: MaskDocument, frame: number): Exclude<MaskAction, Move>[] {
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

/** Draws what was done onto the picture. */
export function draw(picture: Gray, action: Exclude<MaskAction, Move>): void {
  if (action.kind === 'picture') picture.data.set(action.gray.data);
  else if (action.kind === 'flood') picture.data.fill(action.fill ? 255 : 0);
  else if (action.kind === 'box') drawBox(picture, action);
  else {
    const { points } = action;
    for (const [i, point] of points.entries())
      drawSegment(picture, action, points[i - 1] ?? point, point);
  }
}

/** The part of a stroke between two of its points. */
export function drawSegment(picture: Gray, stroke: Stroke, from: Point, to: Point): void {
  const { radius, feather, erase } = stroke;
  const soft = Math.max(1, radius * feather);
  const [lengthX, lengthY] = [to.x - from.x, to.y - from.y];
  const squared = lengthX * lengthX + lengthY * lengthY;
  eachPixel(
    picture,
    boundsOf(from, to, radius + 1),
    (x, y) => {
      const along = squared ? ((x - from.x) * lengthX + (y - from.y) * lengthY) / squared : 0;
      const share = Math.min(1, Math.max(0, along));
      const distance = Math.hypot(x - from.x - lengthX * share, y - from.y - lengthY * share);
      return (radius + 0.5 - distance) / soft;
    },
    erase,
  );
}

function drawBox(picture: Gray, { x, y, width, height, feather, erase }: Box): void {
  const soft = Math.max(1, feather);
  const bounds = { left: x, top: y, right: x + width, bottom: y + height };
  eachPixel(
    picture,
    bounds,
    (px, py) => {
      const inside = Math.min(
        px - bounds.left,
        bounds.right - px,
        py - bounds.top,
        bounds.bottom - py,
      );
      return (inside + 0.5) / soft;
    },
    erase,
  );
}

interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const boundsOf = (from: Point, to: Point, by: number): Bounds => ({
  left: Math.min(from.x, to.x) - by,
  top: Math.min(from.y, to.y) - by,
  right: Math.max(from.x, to.x) + by,
  bottom: Math.max(from.y, to.y) + by,
});

/** Paints or erases pixels; `cover` says how much of the one with this centre, 0 to 1 and beyond. */
function eachPixel(
  { width, height, data }: Gray,
  { left, top, right, bottom }: Bounds,
  cover: (x: number, y: number) => number,
  erase: boolean,
): void {
  const [firstX, lastX] = [Math.max(0, Math.floor(left)), Math.min(width, Math.ceil(right))];
  const [firstY, lastY] = [Math.max(0, Math.floor(top)), Math.min(height, Math.ceil(bottom))];
  for (let y = firstY; y < lastY; y++) {
    for (let x = firstX; x < lastX; x++) {
      const value = Math.round(Math.min(1, Math.max(0, cover(x + 0.5, y + 0.5))) * 255);
      const at = y * width + x;
      data[at] = erase ? Math.min(data[at]!, 255 - value) : Math.max(data[at]!, value);
    }
  }
}

function shifted({ width, height, data }: Gray, dx: number, dy: number): Gray {
  const moved = new Uint8Array(width * height);
  for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
    const from = (y - dy) * width + Math.max(0, -dx);
    const length = width - Math.abs(dx);
    if (length > 0) moved.set(data.subarray(from, from + length), y * width + Math.max(0, dx));
  }
  return { width, height, data: moved };
}
