/**
 * Draws scenes with a look: solids of many proportions outdoors, in rooms or seen from above, with
 * photos on some of the surfaces.
 */
import type { RandomStream } from '../../random.js';
import type { Scene } from '../scene.js';
import type { Point, Solid } from '../solid.js';
import { SHAPES, type Shape } from '../vocabulary.js';
import type { Look, Room, Surface } from './look.js';

export interface LookScene {
  scene: Scene;
  look: Look;
}

export interface LookOptions {
  /** indices of the photos that may be used; none leaves all surfaces plain */
  photos: readonly number[];
  /** width / height of the frame, for the places of solids */
  aspect?: number;
}

/** Largest number of solids. */
const MOST_SOLIDS = 9;

/** Draws a still scene. */
export function drawLookScene(
  random: RandomStream,
  { photos, aspect = 1 }: LookOptions,
): LookScene {
  const paint = (size: number) => drawSurface(random, photos, size);
  const kind = random.next();
  const place = kind < 0.4 ? 'outdoors' : kind < 0.75 ? 'room' : 'above';
  const focal = 0.75 * 2.5 ** random.next();
  const camera = drawCamera(random, place);
  const room =
    place === 'room'
      ? drawRoom(random, camera.height, paint)
      : place === 'above' && random.chance(0.4)
        ? drawBin(random, camera.height, paint)
        : null;
  const azimuth = random.between(-Math.PI, Math.PI);
  const elevation = random.between(0.5, 1.4);
  const horizon = drawColour(random, 120, 240);
  const scene: Scene = {
    seed: 0,
    split: 'train',
    objects: [],
    camera: { motion: 'still', yaw: [0, 0], focal: [focal, focal] },
    light: [
      Math.sin(azimuth) * Math.cos(elevation),
      Math.sin(elevation),
      -Math.cos(azimuth) * Math.cos(elevation),
    ],
    ground: {
      colour: horizon,
      horizon,
      sky: horizon,
      waves: [
        [0, 0, 0],
        [0, 0, 0],
      ],
    },
    stillTime: 0,
  };
  const count = 1 + Math.floor(random.next() * MOST_SOLIDS);
  const setting: Setting = { camera, room, focal, aspect };
  for (let attempt = 0; attempt < 6 * count && scene.objects.length < count; attempt++) {
    const solid = drawSolid(random, setting, scene.objects);
    if (solid) scene.objects.push(solid);
  }
  const look: Look = {
    camera,
    room,
    ground: paint(random.between(1.5, 8)),
    backdrop: drawBackdrop(random, photos),
    haze: { colour: horizon, distance: random.chance(0.5) ? random.between(12, 30) : 1000 },
    solids: scene.objects.map(({ height, radius }) =>
      paint(Math.max(height, 2 * radius) * random.between(0.6, 3)),
    ),
    shadow: random.between(0, 0.65),
  };
  return { scene, look };
}

function drawCamera(random: RandomStream, place: 'outdoors' | 'room' | 'above'): Look['camera'] {
  const roll = random.chance(0.5) ? 0 : random.between(-0.12, 0.12);
  switch (place) {
    case 'outdoors':
      return { height: random.between(0.6, 4), pitch: random.between(-0.05, 0.65), roll };
    case 'room':
      return { height: random.between(0.7, 2.4), pitch: random.between(-0.15, 0.6), roll };
    case 'above':
      return { height: random.between(1.2, 5), pitch: random.between(0.65, 1.55), roll };
  }
}

function drawRoom(random: RandomStream, height: number, paint: (size: number) => Surface): Room {
  const wall = () => paint(random.between(1.5, 8));
  return {
    turn: random.chance(0.3) ? 0 : random.between(-0.85, 0.85),
    left: random.between(1, 5),
    right: random.between(1, 5),
    back: random.between(2.2, 9),
    front: random.between(1, 5),
    ceiling: Math.max(random.between(2.3, 4.5), height + 0.4),
    surfaces: [wall(), wall(), wall(), wall(), wall()],
  };
}

/** Walls close around what is seen from above, such as a box's or a shelf's. */
function drawBin(random: RandomStream, height: number, paint: (size: number) => Surface): Room {
  const wall = () => paint(height * random.between(0.4, 2));
  const side = () => height * random.between(0.35, 1.3);
  return {
    turn: random.between(-0.5, 0.5),
    left: side(),
    right: side(),
    back: height * random.between(0.5, 2),
    front: side(),
    ceiling: height + 1,
    surfaces: [wall(), wall(), wall(), wall(), wall()],
  };
}

/** The share of surfaces that show a photo, if there are any. */
const WITH_PHOTO = 0.6;

function drawSurface(random: RandomStream, photos: readonly number[], size: number): Surface {
  const isPlain = !random.chance(WITH_PHOTO) || photos.length === 0;
  const shade = random.between(0.75, 1.15);
  return {
    photo: isPlain ? null : random.pick(photos),
    colour: isPlain
      ? drawColour(random, 30, 235)
      : ([0, 0, 0].map(() => shade * random.between(0.9, 1.1)) as Point),
    contrast: random.chance(0.35) ? 1 : random.between(0.15, 1),
    size,
    shift: [random.between(0, 4), random.between(0, 4)],
    turn: random.chance(0.6) ? 0 : random.between(-Math.PI, Math.PI),
  };
}

/** What is above the horizon: a photo that ends there, or a plain sky. */
function drawBackdrop(random: RandomStream, photos: readonly number[]): Surface {
  const size = random.between(0.6, 2.2);
  const surface = drawSurface(random, photos, size);
  return { ...surface, turn: 0, shift: [surface.shift[0], random.between(0.3, 0.8)] };
}

/** Gray with a little colour, or any colour. */
function drawColour(random: RandomStream, least: number, most: number): Point {
  const grey = random.between(least, most);
  const spread = random.chance(0.5) ? 15 : 90;
  return [0, 0, 0].map(() =>
    Math.min(250, Math.max(5, grey + random.between(-spread, spread))),
  ) as Point;
}

interface Setting {
  camera: Look['camera'];
  room: Room | null;
  focal: number;
  aspect: number;
}

/** Draws a solid on the ground or on another solid; null if it does not fit there. */
function drawSolid(
  random: RandomStream,
  { camera, room, focal, aspect }: Setting,
  others: readonly Solid[],
): Solid | null {
  const { height: above, pitch } = camera;
  // where the ray through a random point of the frame meets the ground
  const u = (0.5 * central(random) * Math.max(1, aspect)) / focal;
  const v = ((0.45 * central(random) - 0.1) / focal) * Math.max(1, 1 / aspect);
  const fall = Math.sin(pitch) - v * Math.cos(pitch);
  const t = above / fall;
  if (fall < 0.02 || t < 0.7 || t > 14) return null;
  const size = (t / focal) * 0.12 * 5.5 ** random.next();
  const { shape, height, radius } = drawProportions(random, size);
  const reach = shape === 'cube' ? radius * Math.SQRT2 : radius;
  const start: Point = [u * t, 0, (Math.cos(pitch) + v * Math.sin(pitch)) * t];

  const tables = others.filter((other) => other.shape === 'cube' && other.radius > 0.8 * reach);
  if (tables.length > 0 && random.chance(0.35)) {
    const { start: foot, height: top, radius: half } = random.pick(tables);
    const spare = Math.max(0, half - reach);
    start[0] = foot[0] + random.between(-spare, spare);
    start[1] = foot[1] + top;
    start[2] = foot[2] + random.between(-spare, spare);
  }
  const solid: Solid = {
    shape,
    height,
    radius,
    reach,
    start,
    colour: 'red',
    size: 'small',
    motion: 'still',
    move: [0, 0, 0],
    turn: random.between(0, 2 * Math.PI),
    turnBy: 0,
  };
  const isFree = others.every((other) => {
    const apart = Math.hypot(other.start[0] - start[0], other.start[2] - start[2]);
    const isAbove =
      start[1] >= other.start[1] + other.height || other.start[1] >= start[1] + height;
    return isAbove || apart > 0.9 * (reach + other.reach);
  });
  return isFree && isInView(solid, camera) && (!room || isInside(solid, room)) ? solid : null;
}

/** From -1 to 1, mostly near 0: pictures are taken of something. */
const central = (random: RandomStream): number => random.next() + random.next() - 1;

/** @param size   about the length of its longest side */
function drawProportions(
  random: RandomStream,
  size: number,
): { shape: Shape; height: number; radius: number } {
  const shape = random.chance(0.4) ? 'cube' : random.pick(SHAPES);
  if (shape === 'sphere') return { shape, height: size, radius: size / 2 };
  return {
    shape,
    height: size * random.between(0.15, 1.5),
    radius: size * random.between(0.18, 0.6),
  };
}

/** Is all of a solid in front of the camera, at some distance? */
function isInView({ start, reach, height }: Solid, camera: Look['camera']): boolean {
  const [cos, sin] = [Math.cos(camera.pitch), Math.sin(camera.pitch)];
  for (const y of [start[1], start[1] + height]) {
    for (const z of [start[2] - reach, start[2] + reach]) {
      if (z * cos - (y - camera.height) * sin < 0.3) return false;
    }
  }
  return true;
}

function isInside({ start: [x, y, z], reach, height }: Solid, room: Room): boolean {
  const [cos, sin] = [Math.cos(room.turn), Math.sin(room.turn)];
  const across = x * cos - z * sin;
  const ahead = x * sin + z * cos;
  return (
    across - reach > -room.left &&
    across + reach < room.right &&
    ahead + reach < room.back &&
    ahead - reach > -room.front &&
    y + height < room.ceiling
  );
}
