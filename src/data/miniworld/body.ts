/** A solid as rays meet it. */
import type { Solid } from './solid.js';
import { CAMERA_HEIGHT, type Placed } from './view.js';
import type { Shape } from './vocabulary.js';

// chosen by eye, so that the colour of the darkest face can still be recognised
const AMBIENT = 0.42;
const DIFFUSE = 0.64;

/** A solid in one frame, prepared for rays from the camera. */
export class Body {
  shape: Shape = 'sphere';
  height = 0;
  radius = 0;
  /** position of the camera relative to the foot point */
  ox = 0;
  oy = 0;
  oz = 0;
  cosTurn = 1;
  sinTurn = 0;
  /** direction to the light */
  lx = 0;
  ly = 0;
  lz = 0;

  /** the last hit: depth along the optical axis, index of the face, brightness of about 0.4..1.06 */
  t = 0;
  face = 0;
  shade = 0;

  /** @param cameraHeight   of the camera above the ground, in world units */
  place(
    solid: Solid,
    placed: Placed,
    lx: number,
    ly: number,
    lz: number,
    cameraHeight = CAMERA_HEIGHT,
  ): void {
    this.shape = solid.shape;
    this.height = solid.height;
    this.radius = solid.radius;
    this.ox = -placed.x;
    this.oy = cameraHeight - placed.y;
    this.oz = -placed.z;
    this.cosTurn = Math.cos(placed.yaw);
    this.sinTurn = Math.sin(placed.yaw);
    this.lx = lx;
    this.ly = ly;
    this.lz = lz;
  }
}

/** Notes a hit: its depth, face and normal. */
export function hit(body: Body, t: number, face: number, nx: number, ny: number, nz: number): true {
  const cosine = nx * body.lx + ny * body.ly + nz * body.lz;
  body.t = t;
  body.face = face;
  // Lambertian, with a little light from other directions so that the shaded side does not look flat
  body.shade = cosine > 0 ? AMBIENT + DIFFUSE * cosine : AMBIENT + 0.1 * cosine;
  return true;
}
