/** Where rays meet solids. */
import { type Body, hit } from './body.js';
import { castCapsule, castPyramid, castTorus } from './more-solids.js';

/** True if the ray (dx, dy, dz) from the camera hits the body, which then holds the nearest hit. */
export function castRay(body: Body, dx: number, dy: number, dz: number): boolean {
  switch (body.shape) {
    case 'sphere':
      return castSphere(body, dx, dy, dz);
    case 'cube':
      return castCube(body, dx, dy, dz);
    case 'cylinder':
      return castCylinder(body, dx, dy, dz);
    case 'cone':
      return castCone(body, dx, dy, dz);
    case 'torus':
      return castTorus(body, dx, dy, dz);
    case 'pyramid':
      return castPyramid(body, dx, dy, dz);
    case 'capsule':
      return castCapsule(body, dx, dy, dz);
  }
}

function castSphere(body: Body, dx: number, dy: number, dz: number): boolean {
  const r = body.radius;
  const oy = body.oy - r; // from the centre
  const a = dx * dx + dy * dy + dz * dz;
  const b = body.ox * dx + oy * dy + body.oz * dz;
  const c = body.ox * body.ox + oy * oy + body.oz * body.oz - r * r;
  const discriminant = b * b - a * c;
  if (discriminant <= 0) {
    return false;
  }
  const t = (-b - Math.sqrt(discriminant)) / a;
  return hit(body, t, 0, (body.ox + t * dx) / r, (oy + t * dy) / r, (body.oz + t * dz) / r);
}

function castCube(body: Body, dx: number, dy: number, dz: number): boolean {
  // transform into the cube's own axes, in which pairs of sides are slabs
  const { cosTurn: c, sinTurn: s, radius: r, height } = body;
  const ox = body.ox * c - body.oz * s;
  const oz = body.ox * s + body.oz * c;
  const ax = dx * c - dz * s;
  const az = dx * s + dz * c;
  // where the ray enters each slab, always from the camera's side
  const signX = ax > 0 ? -1 : 1;
  const signZ = az > 0 ? -1 : 1;
  const inX = (signX * r - ox) / ax;
  const outX = (-signX * r - ox) / ax;
  const inZ = (signZ * r - oz) / az;
  const outZ = (-signZ * r - oz) / az;
  const top = (height - body.oy) / dy;
  const bottom = -body.oy / dy;
  const inY = Math.min(top, bottom);
  const outY = Math.max(top, bottom);

  let t = inX;
  let face = 0;
  if (inZ > t) {
    t = inZ;
    face = 1;
  }
  if (inY > t) {
    t = inY;
    face = 2;
  }
  if (t > outX || t > outZ || t > outY) {
    return false;
  }
  if (face === 0) {
    return hit(body, t, signX > 0 ? 0 : 3, signX * c, 0, -signX * s);
  }
  if (face === 1) {
    return hit(body, t, signZ > 0 ? 1 : 4, signZ * s, 0, signZ * c);
  }
  return hit(body, t, 2, 0, dy < 0 ? 1 : -1, 0);
}

function castCylinder(body: Body, dx: number, dy: number, dz: number): boolean {
  const r = body.radius;
  const a = dx * dx + dz * dz;
  const b = body.ox * dx + body.oz * dz;
  const discriminant = b * b - a * (body.ox * body.ox + body.oz * body.oz - r * r);
  if (discriminant <= 0) {
    return false;
  }
  const t = (-b - Math.sqrt(discriminant)) / a;
  const y = body.oy + t * dy;
  if (y >= 0 && y <= body.height) {
    return hit(body, t, 0, (body.ox + t * dx) / r, 0, (body.oz + t * dz) / r);
  }
  return y > body.height && castDisc(body, dx, dy, dz, r);
}

/** Casts a ray at the flat top of a cylinder. */
function castDisc(body: Body, dx: number, dy: number, dz: number, r: number): boolean {
  if (dy >= 0) {
    return false;
  }
  const t = (body.height - body.oy) / dy;
  const x = body.ox + t * dx;
  const z = body.oz + t * dz;
  return x * x + z * z <= r * r && hit(body, t, 1, 0, 1, 0);
}

function castCone(body: Body, dx: number, dy: number, dz: number): boolean {
  // x^2 + z^2 = (slope (height - y))^2 below the tip
  const slope = body.radius / body.height;
  const k = slope * slope;
  const oy = body.oy - body.height; // from the tip
  const a = dx * dx + dz * dz - k * dy * dy;
  const b = body.ox * dx + body.oz * dz - k * oy * dy;
  const c = body.ox * body.ox + body.oz * body.oz - k * oy * oy;
  const discriminant = b * b - a * c;
  if (discriminant <= 0) {
    return false;
  }
  const root = Math.sqrt(discriminant);
  const t0 = (-b - root) / a;
  const t1 = (-b + root) / a;
  const first = Math.min(t0, t1);
  for (let t = first, i = 0; i < 2; i++, t = t0 + t1 - first) {
    const y = oy + t * dy;
    if (t > 0 && y <= 0 && y >= -body.height) {
      const x = body.ox + t * dx;
      const z = body.oz + t * dz;
      const scale = 1 / Math.sqrt((x * x + z * z) * (1 + k));
      return hit(body, t, 0, x * scale, slope / Math.sqrt(1 + k), z * scale);
    }
  }
  return false;
}
