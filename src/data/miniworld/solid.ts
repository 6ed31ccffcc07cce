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
  /** radius of sphere, cylinder and cone, half the edge of a cube */
  radius: number;
  /** largest distance of a point of the solid from its vertical axis */
  reach: number;
  /** foot point at the start of the clip, and its displacement by the end */
  start: Point;
  move: Point;
  /** rotation about the vertical axis at the start, and its change by the end */
  turn: number;
  turnBy: number;
}
