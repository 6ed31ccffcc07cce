/** The shadows that a look's solids throw on the ground. */
import { Body } from '../body.js';
import type { Scene } from '../scene.js';
import type { Point, Solid } from '../solid.js';
import { castRay } from '../solids.js';
import { placeAt, type View } from '../view.js';
import type { Box, Lens } from './lens.js';
import type { Look } from './look.js';

/** The shadow of one solid at one moment, in the coordinates of the world. */
export interface Shadow {
  /** a square on the ground around it */
  x: number;
  z: number;
  radius: number;
  /** the share of the light that it takes at a place, 0..1 */
  at(x: number, z: number): number;
}

/** The shadows of a scene's solids as time goes by; those that keep their form are computed once. */
export class Shadows {
  private readonly lights: Point[];
  private readonly known: (Cast | undefined)[] = [];

  constructor(
    private readonly scene: Scene,
    private readonly look: Pick<Look, 'shadow' | 'castShadows'>,
  ) {
    this.lights = look.castShadows ? pointsOfLight(scene.light) : [];
  }

  at(time: number): Shadow[] {
    const { scene, look } = this;
    if (look.shadow === 0) return [];
    return scene.objects.map((solid, i) => {
      const place = placeAt(solid, time, UNTURNED);
      if (!look.castShadows) return roundShadow(solid, place, scene.light, look.shadow);
      const keeps = solid.turnBy === 0 && solid.move[1] === 0;
      const cast = (keeps && this.known[i]) || castShadow(solid, place, this.lights);
      this.known[i] = cast;
      return {
        x: place.x + cast.x,
        z: place.z + cast.z,
        radius: cast.radius,
        at: (x, z) => look.shadow * shareAt(cast, x - place.x, z - place.z),
      };
    });
  }
}

/** The pixels that a shadow may fall on. */
export function boxOfShadow({ x, z, radius }: Shadow, lens: Lens, view: View): Box {
  const [cos, sin] = [Math.cos(view.yaw), Math.sin(view.yaw)];
  const px = x * cos - z * sin;
  const pz = x * sin + z * cos;
  const reach = radius * Math.SQRT2; // the square is turned with the camera
  return lens.boxAround(
    { x: px - reach, y: 0, z: pz - reach },
    { x: px + reach, y: 0, z: pz + reach },
  );
}

const UNTURNED: View = { yaw: 0, focal: 1 };

/** A round soft shadow about the foot, wider and fainter the higher the solid floats. */
function roundShadow(
  { reach }: Solid,
  { x, y, z }: { x: number; y: number; z: number },
  [lx, , lz]: Point,
  shadow: number,
): Shadow {
  const radius = reach * (1.35 + 0.35 * y);
  const strength = shadow / (1 + 1.2 * y);
  const away = 0.35 * reach + 0.5 * y;
  const [cx, cz] = [x - lx * away, z - lz * away];
  return {
    x: cx,
    z: cz,
    radius,
    at(x, z) {
      const a = (x - cx) / radius;
      const b = (z - cz) / radius;
      const inside = 1 - a * a - b * b;
      return inside > 0 ? strength * inside * inside : 0;
    },
  };
}

/** Points of the light, and its radius as seen from the ground: wide, so that shadows are soft. */
const LIGHTS = 9;
const LIGHT_RADIUS = 0.16;
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/** Directions to points that lie evenly over the disc of the light. Source: Vogel 1979 */
function pointsOfLight([lx, ly, lz]: Point): Point[] {
  const flat = Math.hypot(lx, lz);
  const [ux, uz] = [lz / flat, -lx / flat];
  const [vx, vy, vz] = [ly * uz, lz * ux - lx * uz, -ly * ux];
  return Array.from({ length: LIGHTS }, (_, i): Point => {
    const radius = LIGHT_RADIUS * Math.sqrt((i + 0.5) / LIGHTS);
    const a = radius * Math.cos(i * GOLDEN_ANGLE);
    const b = radius * Math.sin(i * GOLDEN_ANGLE);
    return [lx + a * ux + b * vx, ly + b * vy, lz + a * uz + b * vz];
  });
}

/** A map of the share of the light that a solid hides, about the place below it. */
interface Cast {
  /** middle of the map, and half of its side */
  x: number;
  z: number;
  radius: number;
  /** [SIDE, SIDE], 0..1; the outermost values are 0 */
  shares: Float32Array;
}

/** Points on each side of the map. */
const SIDE = 24;

function castShadow(solid: Solid, place: { y: number; yaw: number }, lights: Point[]): Cast {
  const { y, yaw } = place;
  const { reach, height } = solid;
  // the shadow lies between those of its lowest and highest circle
  let [left, right, front, back] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [lx, ly, lz] of lights) {
    for (const h of [y, y + height]) {
      left = Math.min(left, (-lx / ly) * h - reach);
      right = Math.max(right, (-lx / ly) * h + reach);
      front = Math.min(front, (-lz / ly) * h - reach);
      back = Math.max(back, (-lz / ly) * h + reach);
    }
  }
  const [x, z] = [(left + right) / 2, (front + back) / 2];
  const radius = (Math.max(right - left, back - front) / 2) * (SIDE / (SIDE - 3));
  const body = new Body();
  body.place(solid, { x: 0, y, z: 0, yaw }, 0, 1, 0, 0);
  const shares = new Float32Array(SIDE * SIDE);
  for (let row = 1; row < SIDE - 1; row++) {
    for (let column = 1; column < SIDE - 1; column++) {
      body.ox = x + radius * ((2 * column) / (SIDE - 1) - 1);
      body.oz = z + radius * ((2 * row) / (SIDE - 1) - 1);
      let hidden = 0;
      for (let i = 0; i < lights.length; i++) {
        const light = lights[i]!;
        if (castRay(body, light[0], light[1], light[2]) && body.t > 0) hidden++;
      }
      shares[row * SIDE + column] = hidden / lights.length;
    }
  }
  return { x, z, radius, shares };
}

/** The share at a place, between the points of the map. */
function shareAt({ x, z, radius, shares }: Cast, atX: number, atZ: number): number {
  const u = (((atX - x) / radius + 1) / 2) * (SIDE - 1);
  const v = (((atZ - z) / radius + 1) / 2) * (SIDE - 1);
  if (!(u >= 0 && v >= 0 && u < SIDE - 1 && v < SIDE - 1)) return 0;
  const column = Math.floor(u);
  const row = Math.floor(v);
  const p = row * SIDE + column;
  const a = u - column;
  const b = v - row;
  const near = shares[p]! + (shares[p + 1]! - shares[p]!) * a;
  const far = shares[p + SIDE]! + (shares[p + SIDE + 1]! - shares[p + SIDE]!) * a;
  return near + (far - near) * b;
}
