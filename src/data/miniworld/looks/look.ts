/**
 * How a scene looks beside its solids: real pixels on its surfaces, walls around it, and where its
 * camera stands. A scene without a look is drawn as MiniWorld has always been.
 */
import type { Point } from '../solid.js';

/** What a surface shows: a photo, or a plain colour with slow waves of brightness. */
export interface Surface {
  /** index in the list of photos; null for a plain surface */
  photo: number | null;
  /** gain of each colour channel of the photo, or the plain colour, RGB 0..255 */
  colour: Point;
  /** of the photo about its mean colour: 1 as it is, 0 none */
  contrast: number;
  /** width of the photo in world units (of a backdrop in radians), or the length of the waves */
  size: number;
  /** the photo's origin, in widths of it */
  shift: [number, number];
  /** rotation of the photo on the surface in radians */
  turn: number;
  /** shows only the photo's brightness, in `colour` (0..255) */
  tinted?: true;
}

/** An upright box around the camera; its floor is the ground. Distances from the camera's foot. */
export interface Room {
  /** rotation about the vertical axis through the camera, in radians */
  turn: number;
  left: number;
  right: number;
  back: number;
  front: number;
  /** height above the floor */
  ceiling: number;
  /** of the left, right, back and front wall and the ceiling */
  surfaces: readonly [Surface, Surface, Surface, Surface, Surface];
}

export interface Look {
  camera: {
    /** above the ground, in world units */
    height: number;
    /** downward angle of the optical axis in radians */
    pitch: number;
    /** rotation about the optical axis in radians */
    roll: number;
  };
  /** null: there is none, and the backdrop is all that is seen behind the solids */
  ground: Surface | null;
  /** null outdoors, where the ground reaches the horizon */
  room: Room | null;
  /** what is seen above the horizon, at the distance `FAR` */
  backdrop: Surface;
  /** the backdrop is a plane across the optical axis of the camera before it pans, not a sphere */
  flatBackdrop?: true;
  /** colour that distant ground takes on, and the distance at which it has done so by 63 % */
  haze: { colour: Point; distance: number };
  /** of each solid of the scene */
  solids: readonly Surface[];
  /** strength of the shadows of solids on the ground, 0..1 */
  shadow: number;
  /** solids cast them, away from the light; default: they are round, about their feet */
  castShadows?: true;
}

/** Kinds of surroundings of MiniWorld's own scenes. */
export const SETTINGS = ['ground', 'wall', 'room', 'photo'] as const;

/** The look of a scene of MiniWorld, whose solids keep their own colours, perhaps with a pattern. */
export interface WorldLook extends Omit<Look, 'solids'> {
  setting: (typeof SETTINGS)[number];
}

/** All surfaces of a look. */
export const surfacesOf = ({ ground, backdrop, room, solids }: Look): Surface[] => [
  ...(ground ? [ground] : []),
  backdrop,
  ...(room?.surfaces ?? []),
  ...solids,
];
