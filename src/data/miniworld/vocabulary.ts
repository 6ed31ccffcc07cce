/**
 * The vocabulary of MiniWorld and its numeric values: colours, shapes, sizes, motions, camera motions,
 * and the combinations that training never sees.
 */

/** Eight colours, RGB 0..255, far apart in hue so that shading and blur don't mix them up. */
export const COLOURS = {
  red: [228, 42, 38],
  orange: [250, 132, 16],
  yellow: [248, 222, 46],
  green: [44, 176, 62],
  cyan: [36, 208, 226],
  blue: [42, 84, 232],
  purple: [140, 50, 212],
  pink: [250, 110, 190],
} as const satisfies Record<string, readonly [number, number, number]>;
export type Colour = keyof typeof COLOURS;
export const COLOUR_NAMES = Object.keys(COLOURS) as Colour[];

/** The shapes of plain scenes. */
export const SHAPES = ['sphere', 'cube', 'cylinder', 'cone'] as const;
export type PlainShape = (typeof SHAPES)[number];

/** Further shapes, which occur only where a data set asks for them. */
export const MORE_SHAPES = ['torus', 'pyramid', 'capsule'] as const;
export type Shape = PlainShape | (typeof MORE_SHAPES)[number];
export const ALL_SHAPES: readonly Shape[] = [...SHAPES, ...MORE_SHAPES];

/** Height of a solid in world units; 1 unit is about 16 pixels of a 64-pixel frame. */
export const SIZES = { small: 1.15, medium: 1.5, large: 1.9 } as const;
export type SolidSize = keyof typeof SIZES;
export const SIZE_NAMES = Object.keys(SIZES) as SolidSize[];

/** Motions of a solid during a clip; `spin` is used only for shapes on which it is visible. */
export const MOTIONS = ['still', 'left', 'right', 'toward', 'away', 'up', 'spin'] as const;
export type Motion = (typeof MOTIONS)[number];

/** Can one see that a shape turns about its vertical axis? */
export const canSpin = (shape: Shape): boolean =>
  shape === 'cube' || shape === 'pyramid' || shape === 'torus';

/** Motions of the camera: a pan rotates it, a zoom changes its focal length. */
export const CAMERA_MOTIONS = ['still', 'pan left', 'pan right', 'zoom in', 'zoom out'] as const;
export type CameraMotion = (typeof CAMERA_MOTIONS)[number];

/** Pairs of colour and shape that occur only in the held-out split. */
export const HELD_OUT_PAIRS: readonly (readonly [Colour, Shape])[] = [
  ['red', 'cylinder'],
  ['green', 'cube'],
  ['blue', 'cone'],
  ['yellow', 'sphere'],
];

/** The same of the further shapes. */
export const MORE_HELD_OUT_PAIRS: readonly (readonly [Colour, Shape])[] = [
  ['orange', 'torus'],
  ['cyan', 'pyramid'],
  ['purple', 'capsule'],
];

/** Pairs of a solid's and the camera's motion that occur only in the held-out split. */
export const HELD_OUT_MOTIONS: readonly (readonly [Motion, CameraMotion])[] = [
  ['left', 'zoom in'],
  ['away', 'pan right'],
  ['up', 'pan left'],
];

export type Split = 'train' | 'heldout';

/** True for a pair of colour and shape that training never sees. */
export function isHeldOutPair(colour: Colour, shape: Shape): boolean {
  const isPair = ([c, s]: readonly [Colour, Shape]) => c === colour && s === shape;
  return HELD_OUT_PAIRS.some(isPair) || MORE_HELD_OUT_PAIRS.some(isPair);
}

/** True for a motion that training never sees under this camera motion. */
export function isHeldOutMotion(motion: Motion, camera: CameraMotion): boolean {
  return HELD_OUT_MOTIONS.some(([m, c]) => m === motion && c === camera);
}
