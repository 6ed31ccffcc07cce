/** Where rays meet the shapes that plain scenes do not have. */
import { type Body, hit } from './body.js';

/** A capsule stands: a cylinder between two half spheres. */
export function castCapsule(body: Body, dx: number, dy: number, dz: number): boolean {
  const { radius: r, height, ox, oy, oz } = body;
  const a = dx * dx + dz * dz;
  const b = ox * dx + oz * dz;
  const discriminant = b * b - a * (ox * ox + oz * oz - r * r);
  if (discriminant <= 0) return false; // no ray past the cylinder meets a half sphere
  const t = (-b - Math.sqrt(discriminant)) / a;
  const y = oy + t * dy;
  if (y >= r && y <= height - r) {
    return hit(body, t, 0, (ox + t * dx) / r, 0, (oz + t * dz) / r);
  }
  // the half sphere at the end that the ray comes from
  const centre = y < r ? r : height - r;
  const sy = oy - centre;
  const sa = a + dy * dy;
  const sb = b + sy * dy;
  const under = sb * sb - sa * (ox * ox + sy * sy + oz * oz - r * r);
  if (under <= 0) return false;
  const ts = (-sb - Math.sqrt(under)) / sa;
  return hit(body, ts, 0, (ox + ts * dx) / r, (sy + ts * dy) / r, (oz + ts * dz) / r);
}

/** A pyramid stands on a square: five half spaces. */
export function castPyramid(body: Body, dx: number, dy: number, dz: number): boolean {
  const { cosTurn: c, sinTurn: s, radius: r, height } = body;
  const x = body.ox * c - body.oz * s;
  const z = body.ox * s + body.oz * c;
  const ax = dx * c - dz * s;
  const az = dx * s + dz * c;
  const slope = r / height;
  let enter = Number.NEGATIVE_INFINITY;
  let leave = Number.POSITIVE_INFINITY;
  let face = -1;
  // a side is where its own axis plus the slope times y reaches r
  for (let side = 0; side < 5; side++) {
    const sign = side < 2 ? 1 : -1;
    const isX = side % 2 === 0;
    const inside = side === 4 ? body.oy : r - slope * body.oy - sign * (isX ? x : z);
    const speed = side === 4 ? dy : -slope * dy - sign * (isX ? ax : az);
    if (speed === 0) {
      if (inside < 0) return false;
      continue;
    }
    const t = -inside / speed;
    if (speed > 0 && t > enter) {
      enter = t;
      face = side;
    }
    if (speed < 0 && t < leave) leave = t;
  }
  if (face < 0 || enter >= leave) return false;
  if (face === 4) return hit(body, enter, 2, 0, -1, 0);
  const length = Math.sqrt(1 + slope * slope);
  const sign = (face < 2 ? 1 : -1) / length;
  const isX = face % 2 === 0;
  const number = face < 2 ? face : face + 1; // 2 is the base
  const nx = sign * (isX ? c : s);
  const nz = sign * (isX ? -s : c);
  return hit(body, enter, number, nx, slope / length, nz);
}

/** Steps toward a torus until they are shorter than this, as a share of its tube's radius. */
const NEAR = 1e-3;
const MOST_STEPS = 60;

/**
 * A torus stands on its tube like a wheel, its axis horizontal. The ray advances by its distance from the
 * torus, which no step can pass through, and Newton's method does the rest.
 * Source: Hart 1996, sphere tracing
 */
export function castTorus(body: Body, dx: number, dy: number, dz: number): boolean {
  const { cosTurn: c, sinTurn: s, radius: r, height } = body;
  const ring = height / 2 - r; // radius of the tube's middle
  const x = body.ox * c - body.oz * s;
  const y = body.oy - height / 2;
  const z = body.ox * s + body.oz * c;
  const ax = dx * c - dz * s;
  const az = dx * s + dz * c;
  const a = ax * ax + dy * dy + az * az;
  const b = x * ax + y * dy + z * az;
  const under = b * b - a * (x * x + y * y + z * z - (height / 2) ** 2);
  if (under <= 0) return false;
  const root = Math.sqrt(under);
  const end = (-b + root) / a;
  const length = Math.sqrt(a);
  let t = Math.max((-b - root) / a, 0);
  for (let step = 0; step < MOST_STEPS; step++) {
    const px = x + t * ax;
    const py = y + t * dy;
    const pz = z + t * az;
    const across = Math.sqrt(px * px + py * py) - ring; // Math.hypot is many times slower
    const away = Math.sqrt(across * across + pz * pz) - r;
    if (away < NEAR * r) return polished(t);
    t += away / length;
    if (t > end) return false;
  }
  return false;

  function polished(start: number): boolean {
    let t = start;
    let nx = 0;
    let ny = 0;
    let nz = 0;
    for (let step = 0; step < 3; step++) {
      const px = x + t * ax;
      const py = y + t * dy;
      const pz = z + t * az;
      const round = Math.sqrt(px * px + py * py);
      const across = round - ring;
      const tube = Math.sqrt(across * across + pz * pz);
      nx = (px / round) * (across / tube);
      ny = (py / round) * (across / tube);
      nz = pz / tube;
      const speed = nx * ax + ny * dy + nz * az;
      // a ray that only grazes it is near enough already
      if (speed > -0.05 * length) break;
      t -= (tube - r) / speed;
    }
    return hit(body, t, 0, nx * c + nz * s, ny, -nx * s + nz * c);
  }
}
