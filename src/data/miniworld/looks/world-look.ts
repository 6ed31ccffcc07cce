/**
 * Looks for scenes of MiniWorld as they are: the same camera and solids, in their own colours, so that
 * captions still hold; around them real photos.
 */
import { RandomStream } from '../../random.js';
import type { Scene } from '../scene.js';
import type { Pattern, Point, Solid } from '../solid.js';
import { CAMERA_HEIGHT, PITCH } from '../view.js';
import { COLOURS } from '../vocabulary.js';
import { type Look, type Room, SETTINGS, type Surface, type WorldLook } from './look.js';

/** Raised whenever a seed gives another look, which invalidates what is stored of scenes with one. */
export const LOOKS_VERSION = 1;

/** Number of photos that a scene chooses from: for its ground, what is behind, and its solids. */
export const PHOTOS_OF_SCENE = 4;
const GROUND = 0;
const BEHIND = 1;
const PATTERNS = [2, 3] as const;

/** Share of the solids with a pattern. */
const WITH_PATTERN = 0.4;

/** The same scene with a look, which follows from its seed and split. */
export function withLook(scene: Scene): Scene {
  const random = new RandomStream(scene.seed, `look ${scene.split}`);
  const look = drawWorldLook(random, scene, random.pick(SETTINGS));
  const objects = scene.objects.map((solid) => withPattern(random, solid));
  return { ...scene, look, objects };
}

/** The solid, perhaps with a pattern. */
export function withPattern(random: RandomStream, solid: Solid): Solid {
  if (!random.chance(WITH_PATTERN)) return solid;
  const pattern: Pattern = {
    photo: random.pick(PATTERNS),
    contrast: random.between(0.5, 1),
    size: Math.max(solid.height, 2 * solid.radius) * random.between(0.7, 1.8),
    shift: [random.next(), random.next()],
    turn: random.between(-Math.PI, Math.PI),
  };
  return { ...solid, pattern };
}

/** A look of one kind for a scene. */
export function drawWorldLook(
  random: RandomStream,
  scene: Scene,
  setting: WorldLook['setting'],
): WorldLook {
  const { ground } = scene;
  const outdoors = setting === 'ground' || setting === 'wall';
  const hasPhotoGround = setting === 'ground' || random.chance(0.5);
  const floor = hasPhotoGround
    ? photoSurface(random, GROUND, random.between(2, 7))
    : plainSurface(ground.colour);
  const room =
    setting === 'wall'
      ? drawWall(random, scene)
      : setting === 'room'
        ? drawRoom(random, scene)
        : null;
  const look: WorldLook = {
    setting,
    camera: { height: CAMERA_HEIGHT, pitch: PITCH, roll: 0 },
    room,
    ground: setting === 'photo' ? null : floor,
    backdrop: setting === 'photo' ? drawScreen(random) : plainSurface(ground.horizon),
    haze: { colour: ground.horizon, distance: outdoors ? 17 : 1000 },
    shadow: random.between(0.4, 0.6),
    castShadows: true,
  };
  if (setting === 'photo') look.flatBackdrop = true;
  return look;
}

/** The look of the scene as it is drawn, with the surfaces of its solids. */
export const lookOf = (look: WorldLook, objects: readonly Solid[]): Look => ({
  ...look,
  solids: objects.map(({ colour, pattern }): Surface => {
    const rgb: Point = [...COLOURS[colour]];
    if (!pattern) return plainSurface(rgb);
    return { ...pattern, colour: rgb, tinted: true };
  }),
});

/** Of one colour: its waves are too long to be seen. */
function plainSurface(colour: Point): Surface {
  return { photo: null, colour, contrast: 1, size: 1e6, shift: [0, 0], turn: 0 };
}

function photoSurface(random: RandomStream, photo: number, size: number): Surface {
  const shade = random.between(0.8, 1.1);
  return {
    photo,
    colour: [0, 0, 0].map(() => shade * random.between(0.95, 1.05)) as Point,
    contrast: random.chance(0.5) ? 1 : random.between(0.5, 1),
    size,
    shift: [random.between(0, 4), random.between(0, 4)],
    turn: random.chance(0.6) ? 0 : random.between(-Math.PI, Math.PI),
  };
}

/** A photo that fills the frame, whatever the camera does. */
function drawScreen(random: RandomStream): Surface {
  const surface = photoSurface(random, BEHIND, random.between(1, 1.5));
  // its middle, more or less, lies on the optical axis
  const shift: [number, number] = [random.between(0.4, 0.6), random.between(0.3, 0.45)];
  return { ...surface, contrast: 1, turn: 0, shift };
}

/** A photo upright on the ground, with its lower edge there. */
function drawPicture(random: RandomStream, size: number): Surface {
  const surface = photoSurface(random, BEHIND, size);
  return { ...surface, turn: 0, shift: [random.between(0.3, 0.7), random.between(0.55, 0.75)] };
}

/** Farther than anything that is seen. */
const AWAY = 1000;

/** One wall across the view, behind all solids. */
function drawWall(random: RandomStream, scene: Scene): Room {
  const turn = random.between(-0.3, 0.3);
  const back = Math.max(random.between(8, 11), spaceFor(scene.objects, turn).back);
  const wall = drawPicture(random, back * random.between(0.75, 1.1));
  const none = plainSurface(scene.ground.horizon);
  return {
    turn,
    left: AWAY,
    right: AWAY,
    back,
    front: AWAY,
    ceiling: AWAY,
    surfaces: [none, none, wall, none, none],
  };
}

function drawRoom(random: RandomStream, scene: Scene): Room {
  const turn = random.between(-0.6, 0.6);
  const space = spaceFor(scene.objects, turn);
  const back = Math.max(random.between(7.5, 10), space.back);
  const wall = () => drawPicture(random, random.between(4, 8));
  const walls = [wall(), wall(), wall(), wall()] as const;
  return {
    turn,
    left: Math.max(random.between(2.5, 5), space.left),
    right: Math.max(random.between(2.5, 5), space.right),
    back,
    front: AWAY,
    ceiling: random.between(4.5, 6),
    surfaces: [...walls, plainSurface(scene.ground.horizon)],
  };
}

/** Does a solid stay clear of the walls? */
export function isClear(solid: Solid, { room }: WorldLook): boolean {
  if (!room) return true;
  const space = spaceFor([solid], room.turn);
  return space.left <= room.left && space.right <= room.right && space.back <= room.back;
}

/** The least distances of walls that no solid ever touches, even if an edit makes it larger. */
function spaceFor(objects: readonly Solid[], turn: number): Pick<Room, 'left' | 'right' | 'back'> {
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const space = { left: 0, right: 0, back: 0 };
  for (const { start, move } of objects) {
    for (const time of [0, 1]) {
      const x = start[0] + move[0] * time;
      const z = start[2] + move[2] * time;
      const across = x * cos - z * sin;
      space.left = Math.max(space.left, LARGEST_REACH - across);
      space.right = Math.max(space.right, LARGEST_REACH + across);
      space.back = Math.max(space.back, LARGEST_REACH + x * sin + z * cos);
    }
  }
  return space;
}

/** Just more than that of a large pyramid. */
const LARGEST_REACH = 1.3;
