/** What one can do to a mask. */

export interface Point {
  x: number;
  y: number;
}

/** A gray picture: one byte a pixel, row by row. */
export interface Gray {
  width: number;
  height: number;
  data: Uint8Array;
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

export type PaintAction = Stroke | Box | Flood | Picture;
export type MaskAction = PaintAction | Move;
