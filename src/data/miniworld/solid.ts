/** One solid of a scene. */
import type { Colour, Motion, Shape, SolidSize } from './vocabulary.js';

/** A place or a distance in the world, or three colour values. */
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
  /** foot point at the clip's start, and how far it goes */
  start: Point;
  move: Point;
  /** turn about the vertical axis at the start, and by how much it changes */
  turn: number;
  turnBy: number;
}
