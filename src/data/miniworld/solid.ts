/** One solid of a scene. */
import type { Colour, Motion, Shape, SolidSize } from './vocabulary.js';

/** A position or a displacement in the world, or three colour values. */
export type Point = [x: number, y: number, z: number];

/** One solid and its straight path over the clip. Lengths in world units, angles in radians. */
export interface Solid {
  colour: Colour;
  shape: Shape;
  size: SolidSize;
  motion: Motion;
  height: number;
  /** radius of sphere, cylinder, cone, capsule and of a torus's tube; half the edge of cube and pyramid */
  radius: number;
  /** largest distance of a point of the solid from its vertical axis */
  reach: number;
  /** foot point at the start of the clip, and its displacement by the end */
  start: Point;
  move: Point;
  /** rotation about the vertical axis at the start, and its change by the end */
  turn: number;
  turnBy: number;
  /** the photo whose brightness it shows in its colour; only in scenes with a look */
  pattern?: Pattern;
}

/** A photo on a surface. */
export interface Pattern {
  /** index in the list of photos */
  photo: number;
  /** of the photo about its mean: 1 as it is, 0 none */
  contrast: number;
  /** width of the photo in world units */
  size: number;
  /** the photo's origin, in widths of it */
  shift: [number, number];
  /** rotation of the photo on the surface in radians */
  turn: number;
}
