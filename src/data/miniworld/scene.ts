/**
 * Draws a random scene from a seed: the solids, their positions and motions, the camera's motion, the
 * light and the ground. A scene has no resolution; `render.ts` renders it at any size and length.
 */
import { InputError } from '../../errors.js';
import { RandomStream } from '../random.js';
import type { WorldLook } from './looks/look.js';
import type { Point, Solid } from './solid.js';
import { type CameraPath, overlap, placeAt, screenBox, viewAt } from './view.js';
import {
  ALL_SHAPES,
  CAMERA_MOTIONS,
  type CameraMotion,
  COLOUR_NAMES,
  type Colour,
  canSpin,
  HELD_OUT_MOTIONS,
  HELD_OUT_PAIRS,
  isHeldOutMotion,
  isHeldOutPair,
  MORE_HELD_OUT_PAIRS,
  MOTIONS,
  type Motion,
  SHAPES,
  type Shape,
  SIZE_NAMES,
  SIZES,
  type SolidSize,
  type Split,
} from './vocabulary.js';

export interface Scene {
  seed: number;
  split: Split;
  objects: Solid[];
  camera: CameraPath & { motion: CameraMotion };
  /** direction to the light, unit length */
  light: Point;
  ground: {
    /** RGB 0..255 of the ground, of the horizon and of the upper sky */
    colour: Point;
    horizon: Point;
    sky: Point;
    /** two waves of brightness: radians per unit in x and z, and phase */
    waves: [Point, Point];
  };
  /** the moment, 0..1, that an image of this scene shows */
  stillTime: number;
  /** were all shapes drawn from? default: those of plain scenes */
  moreShapes?: true;
  /** photos and walls around the solids; plain scenes have none */
  look?: WorldLook;
}

export interface SceneOptions {
  split?: Split;
  /** at most this many solids, 1 to 3 */
  maxObjects?: number;
  /** the scene will be shown as an image, in which a held-out motion would not be visible */
  image?: boolean;
  /** least and largest number of solids, 1 to 4, in place of `maxObjects` */
  solids?: readonly [least: number, most: number];
  /** draw from all shapes; default: from those of plain scenes */
  moreShapes?: boolean;
}

/** Most solids that a scene has room for. */
const MOST_SOLIDS = 4;
const FOCAL = 1.35;
// muted (the largest channel at most 30 above the smallest), so that every solid stands out
const GROUNDS: readonly Point[] = [
  [140, 131, 114],
  [118, 130, 112],
  [116, 121, 130],
  [138, 122, 118],
  [100, 108, 112],
];
const SKIES: readonly (readonly [horizon: Point, sky: Point])[] = [
  [
    [206, 212, 222],
    [160, 174, 196],
  ],
  [
    [222, 212, 204],
    [172, 172, 190],
  ],
  [
    [190, 198, 204],
    [132, 144, 160],
  ],
];

/**
 * The scene of a seed. `train` scenes contain no held-out combinations; a `heldout` scene contains at
 * least one: a pair of colour and shape, or (never for images alone) a motion of a solid under a camera
 * motion, or both.
 *
 * @throws InputError for a seed that is not a whole number from 0 to 2^53 - 1
 */
export function drawScene(
  seed: number,
  { split = 'train', maxObjects = 2, image = false, solids, moreShapes = false }: SceneOptions = {},
): Scene {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new InputError(
      `miniworld: a seed must be a whole number from 0 to 2^53 - 1, got ${seed}`,
    );
  }
  if (!Number.isInteger(maxObjects) || maxObjects < 1 || maxObjects > 3) {
    throw new InputError(`miniworld: maxObjects must be 1, 2 or 3, got ${maxObjects}`);
  }
  if (solids && !(solids[0] >= 1 && solids[0] <= solids[1] && solids[1] <= MOST_SOLIDS)) {
    throw new InputError(
      `miniworld: solids must be two numbers from 1 to ${MOST_SOLIDS}, the smaller one first, got ${solids.join(', ')}`,
    );
  }
  const random = new RandomStream(seed, split);
  const scene: Scene = { ...drawSurroundings(random), seed, split, objects: [] };
  if (moreShapes) scene.moreShapes = true;
  const numObjects = solids
    ? solids[0] + Math.floor(random.next() * (solids[1] - solids[0] + 1))
    : Math.min(maxObjects, random.chance(0.4) ? 1 : random.chance(0.75) ? 2 : 3);

  let special: 'pair' | 'motion' | 'both' | 'none' = 'none';
  if (split === 'heldout') {
    special = random.pick(['pair', 'pair', 'motion', 'both'] as const);
    if (special === 'motion' && image) {
      special = 'pair';
    }
  }
  let cameraMotion: CameraMotion = random.chance(0.45) ? 'still' : random.pick(CAMERA_MOTIONS);
  let motion: Motion | undefined;
  if (special === 'motion' || special === 'both') {
    [motion, cameraMotion] = random.pick(HELD_OUT_MOTIONS);
  }
  scene.camera = drawCamera(random, cameraMotion);

  // the first solid has the held-out combination; the others
  // have none, and often occlude or pass behind it
  const nearFirst = random.chance(0.5);
  for (let i = 0; i < numObjects; i++) {
    const wish: SolidWish = {
      depths: numObjects === 1 ? MIDDLE : nearFirst === (i === 0) ? NEAR : BACK,
    };
    if (i === 0 && (special === 'pair' || special === 'both')) {
      wish.pair = random.pick(
        moreShapes ? [...HELD_OUT_PAIRS, ...MORE_HELD_OUT_PAIRS] : HELD_OUT_PAIRS,
      );
    }
    if (i === 0) {
      wish.motion = motion;
    } else if (solids && i > 1) {
      wish.depths = random.pick([NEAR, MIDDLE, BACK]); // wherever there is room
    } else if (random.chance(0.7)) {
      wish.crossing = scene.objects[0];
    }
    if (solids && numObjects > 2) wish.sizes = LITTLE_ROOM;
    const solid = placeSolid(random, scene, wish);
    if (solid) {
      scene.objects.push(solid);
    }
  }
  return scene;
}

function drawSurroundings(random: RandomStream): Omit<Scene, 'seed' | 'split' | 'objects'> {
  const azimuth = random.between(0.5, 0.9) * (random.chance(0.5) ? 1 : -1);
  const elevation = random.between(0.95, 1.12);
  const brightness = random.between(0.9, 1.06);
  const [horizon, sky] = random.pick(SKIES);
  const wave = (): Point => {
    const angle = random.between(0, Math.PI);
    const frequency = random.between(0.9, 1.7); // a wavelength is 60 to 110 pixels of 64 at z = 5.5
    return [
      frequency * Math.cos(angle),
      frequency * Math.sin(angle) * 0.7,
      random.between(0, 2 * Math.PI),
    ];
  };
  const ground = random.pick(GROUNDS).map((c) => c * brightness) as Point;
  return {
    camera: { motion: 'still', yaw: [0, 0], focal: [FOCAL, FOCAL] },
    light: [
      Math.sin(azimuth) * Math.cos(elevation),
      Math.sin(elevation),
      -Math.cos(azimuth) * Math.cos(elevation), // from behind the camera
    ],
    ground: { colour: ground, horizon: [...horizon], sky: [...sky], waves: [wave(), wave()] },
    stillTime: random.next(),
  };
}

function drawCamera(random: RandomStream, motion: CameraMotion): Scene['camera'] {
  const turn = random.between(0.05, 0.08);
  const zoom = random.between(1.1, 1.16);
  switch (motion) {
    case 'still':
      return { motion, yaw: [0, 0], focal: [FOCAL, FOCAL] };
    case 'pan left':
      return { motion, yaw: [turn, -turn], focal: [FOCAL, FOCAL] };
    case 'pan right':
      return { motion, yaw: [-turn, turn], focal: [FOCAL, FOCAL] };
    case 'zoom in':
      return { motion, yaw: [0, 0], focal: [FOCAL / zoom, FOCAL * zoom] };
    case 'zoom out':
      return { motion, yaw: [0, 0], focal: [FOCAL * zoom, FOCAL / zoom] };
  }
}

/** Constraints on a solid; everything else is drawn at random. */
interface SolidWish {
  /** range of its depth */
  depths: readonly [near: number, far: number];
  pair?: readonly [Colour, Shape];
  motion?: Motion;
  /** another solid that it covers or is covered by at some moment */
  crossing?: Solid;
  /** default: all */
  sizes?: readonly SolidSize[];
}

/** Sizes of solids of which there are many. */
const LITTLE_ROOM: readonly SolidSize[] = ['small', 'small', 'medium'];

const MIDDLE = [4.8, 6.6] as const;
// far enough apart that two solids can pass each other
const NEAR = [4.4, 5.4] as const;
const BACK = [6, 7.2] as const;

/**
 * Draws the kind of the solid first, then positions until one fits among the others, so that large and
 * fast solids are as frequent as small ones. A kind that finds no position is replaced by a new draw;
 * undefined if all attempts fail.
 */
function placeSolid(random: RandomStream, scene: Scene, wish: SolidWish): Solid | undefined {
  for (let attempt = 0; attempt < 12; attempt++) {
    const kind = drawKind(random, scene, wish);
    let apart: Solid | undefined; // fits, but occludes nothing
    for (let place = 0; place < 16; place++) {
      const solid = drawPath(random, kind, wish);
      // the first solid always gets a place
      const slack = scene.objects.length === 0 && attempt > 8 ? 0.2 : 0;
      const share = fits(scene, solid, slack);
      if (share !== undefined && (share > 0.25 || !wish.crossing)) {
        return solid;
      }
      apart ??= share === undefined ? undefined : solid;
    }
    if (apart) {
      return apart;
    }
  }
  return undefined;
}

type Kind = Pick<Solid, 'colour' | 'shape' | 'size' | 'motion'>;

/**
 * Draws a colour that no other solid of the scene has, and a
 * shape, size and motion that the split allows.
 */
function drawKind(random: RandomStream, scene: Scene, wish: SolidWish): Kind {
  const shapes = shapesOf(scene);
  for (;;) {
    const [colour, shape] = wish.pair ?? [random.pick(COLOUR_NAMES), random.pick(shapes)];
    const motion = wish.motion ?? random.pick(MOTIONS);
    const unseen =
      (!wish.pair && isHeldOutPair(colour, shape)) ||
      (!wish.motion && isHeldOutMotion(motion, scene.camera.motion));
    const taken = scene.objects.some((other) => other.colour === colour);
    if (!unseen && !taken && (motion !== 'spin' || canSpin(shape))) {
      return { colour, shape, motion, size: random.pick(wish.sizes ?? SIZE_NAMES) };
    }
  }
}

/** The shapes that a scene's solids are drawn from. */
export const shapesOf = ({ moreShapes }: Scene): readonly Shape[] =>
  moreShapes ? ALL_SHAPES : SHAPES;

function drawPath(random: RandomStream, kind: Kind, wish: SolidWish): Solid {
  const { colour, shape, size, motion } = kind;
  const start: Point = [
    random.between(-1.5, 1.5),
    0,
    random.between(wish.depths[0], wish.depths[1]),
  ];
  if (wish.crossing) {
    const { start: from, move: by } = wish.crossing;
    start[0] = ((from[0] + by[0] / 2) * start[2]) / from[2] + random.between(-0.8, 0.8);
  }
  const move: Point = [0, 0, 0];
  const distance = random.next();
  switch (motion) {
    case 'left':
    case 'right':
      move[0] = (1.4 + 0.8 * distance) * (motion === 'left' ? -1 : 1);
      start[0] -= move[0] / 2;
      break;
    case 'toward':
    case 'away':
      move[2] = (1.5 + 0.5 * distance) * (motion === 'toward' ? -1 : 1);
      start[2] = Math.min(Math.max(start[2] - move[2] / 2, 4.4), 7.4);
      start[2] += Math.max(4.4 - start[2] - move[2], 0) - Math.max(start[2] + move[2] - 7.4, 0);
      break;
    case 'up':
      move[1] = 0.8 + 0.4 * distance;
      break;
  }
  // turn a cube so that an edge faces the camera rather than a flat face, and no view mirrors another
  // a torus shows its hole
  const turn = random.between(0.35, 1.2) - (shape === 'torus' ? 0.775 : 0);
  const turnBy = motion === 'spin' ? (1.3 + 0.7 * distance) * (random.chance(0.5) ? 1 : -1) : 0;
  const { height, radius, reach } = dimensions(shape, SIZES[size]);
  // fields are listed one by one, because a spread made drawing ten times slower
  return { colour, shape, size, motion, height, radius, reach, start, move, turn, turnBy };
}

/** One more solid that fits into the scene, which is not changed; undefined if there is no room. */
export const oneMoreSolid = (random: RandomStream, scene: Scene): Solid | undefined =>
  placeSolid(random, scene, { depths: random.chance(0.5) ? NEAR : BACK });

/** Dimensions of a solid of this shape and nominal size. */
export function dimensions(shape: Shape, size: number): Pick<Solid, 'height' | 'radius' | 'reach'> {
  switch (shape) {
    case 'sphere':
      return { height: size, radius: size / 2, reach: size / 2 };
    case 'cube':
      return { height: 0.82 * size, radius: 0.41 * size, reach: 0.41 * Math.SQRT2 * size };
    case 'cylinder':
      return { height: size, radius: 0.4 * size, reach: 0.4 * size };
    case 'cone':
      return { height: 1.1 * size, radius: 0.52 * size, reach: 0.52 * size };
    case 'torus': // it stands, so that its hole shows
      return { height: size, radius: 0.15 * size, reach: 0.5 * size };
    case 'pyramid':
      return { height: size, radius: 0.47 * size, reach: 0.47 * Math.SQRT2 * size };
    case 'capsule':
      return { height: 1.1 * size, radius: 0.28 * size, reach: 0.28 * size };
  }
}

/**
 * The largest share of one solid that another ever hides, among pairs with `solid`. Undefined if `solid`
 * leaves the picture (by more than `slack` of the shorter side), touches another, or if one of a pair is
 * hidden too much, over time or at the moment of the scene's image.
 */
function fits(scene: Scene, solid: Solid, slack: number): number | undefined {
  let largest = 0;
  const hidden = scene.objects.map(() => 0);
  // both ends of the motion first, where most solids that do not fit leave the picture
  for (const time of [0, 1, 0.25, 0.5, 0.75, scene.stillTime]) {
    const view = viewAt(scene, time);
    const placed = placeAt(solid, time, view);
    const box = screenBox(solid, placed, view.focal);
    const spare = 0.5 + slack + 0.12 * (box.right - box.left); // a small part may be cut off
    if (box.left < -spare || box.right > spare || box.top < -0.49 || box.bottom > 0.5 + slack) {
      return undefined;
    }
    for (const [i, other] of scene.objects.entries()) {
      const otherPlaced = placeAt(other, time, view);
      const apart = Math.hypot(otherPlaced.x - placed.x, otherPlaced.z - placed.z);
      if (apart < solid.reach + other.reach + 0.05) {
        return undefined;
      }
      const otherBox = screenBox(other, otherPlaced, view.focal);
      const share = otherPlaced.z < placed.z ? overlap(box, otherBox) : overlap(otherBox, box);
      if (time === scene.stillTime && share > 0.55) {
        return undefined;
      }
      largest = Math.max(largest, share);
      hidden[i] += share / 6;
    }
  }
  return hidden.every((share) => share < 0.45) ? largest : undefined;
}
