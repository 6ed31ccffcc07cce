/**
 * One pyramid level of the optical flow: warps the second picture back by the flow so far, and solves
 * for the rest. The data term asks that brightness is constant along the motion within a window (Lucas
 * and Kanade), the smoothness term that neighbouring pixels move alike (Horn and Schunck), so that
 * motion spreads from textured regions into flat ones.
 *
 * Source: Bruhn, Weickert, Schnörr 2005, "Lucas/Kanade meets Horn/Schunck", IJCV 61(3); constraints
 * divided by the gradient as in Zimmer, Bruhn, Weickert 2011, "Optic flow in harmony", IJCV 93(3);
 * resetting still regions to zero motion is our addition
 */

/** Brightness 0..255, [H, W]. */
export interface Plane {
  width: number;
  height: number;
  data: Float32Array;
}

/** Warps of the second picture per level, and solver sweeps after each warp. Measured */
const WARPS = 2;
const SWEEPS = 5;
/** Radius of a window in pixels. Measured */
const RADIUS = 2;
/** Weight of the smoothness term beside the data term. Measured */
const SMOOTHNESS = 0.2;
/** Gradients below this count as noise, in gray levels per pixel. Measured */
const NOISE = 1;
/** Brightness that differs by more than this belongs to another surface, in gray levels. Measured */
const MISMATCH = 10;
/**
 * A window is reset to no motion if its error is then below
 * this share of its error with motion. Measured
 */
const REST = 0.5;
/**
 * Over-relaxation factor: each solver step is lengthened by
 * this. Source: usual for successive over-relaxation
 */
const RELAXATION = 1.8;

/** Refines the flow (u, v), [H, W] in pixels each, from one picture to another, in place. */
export function refine(from: Plane, to: Plane, u: Float32Array, v: Float32Array): void {
  const { width, height } = from;
  const size = width * height;
  const moved = new Float32Array(size);
  const inside = new Uint8Array(size);
  const system: System = {
    xx: new Float32Array(size),
    xy: new Float32Array(size),
    yy: new Float32Array(size),
    xt: new Float32Array(size),
    yt: new Float32Array(size),
  };
  const { xx, xy, yy, xt, yt } = system;
  const scratch = new Float32Array(size);
  for (let warp = 0; warp < WARPS; warp++) {
    moveBack(to, u, v, moved, inside);
    constrain(from, moved, inside, u, v, system);
    for (const plane of [xx, xy, yy, xt, yt]) blur(plane, scratch, width, height);
    invert(system);
    for (let sweep = 0; sweep < SWEEPS; sweep++) relax(u, v, system, width);
  }
  settle(from, to, u, v, system, inside, scratch);
}

interface System {
  /** window means of the gradients' products and of gradient times temporal difference, [H, W] */
  xx: Float32Array;
  xy: Float32Array;
  yy: Float32Array;
  xt: Float32Array;
  yt: Float32Array;
}

/** Computes the data term of each pixel, before it is averaged over windows. */
function constrain(
  { width, height, data }: Plane,
  moved: Float32Array,
  inside: Uint8Array,
  u: Float32Array,
  v: Float32Array,
  { xx, xy, yy, xt, yt }: System,
): void {
  for (let y = 0; y < height; y++) {
    const up = y > 0 ? -width : 0;
    const down = y < height - 1 ? width : 0;
    const perY = up && down ? 0.25 : 0.5;
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      if (!inside[p]) {
        xx[p] = xy[p] = yy[p] = xt[p] = yt[p] = 0;
        continue;
      }
      const before = x > 0 ? p - 1 : p;
      const after = x < width - 1 ? p + 1 : p;
      const perX = after - before === 2 ? 0.25 : 0.5;
      // mean of both pictures
      const gx = perX * (data[after]! - data[before]! + moved[after]! - moved[before]!);
      const gy = perY * (data[p + down]! - data[p + up]! + moved[p + down]! - moved[p + up]!);
      const change = moved[p]! - data[p]!;
      const odd = change / MISMATCH;
      const trust = 1 / ((gx * gx + gy * gy + NOISE * NOISE) * (1 + odd * odd));
      // solve for the whole flow, not only for its increment
      const constant = change - gx * u[p]! - gy * v[p]!;
      xx[p] = gx * gx * trust;
      xy[p] = gx * gy * trust;
      yy[p] = gy * gy * trust;
      xt[p] = gx * constant * trust;
      yt[p] = gy * constant * trust;
    }
  }
}

/**
 * Resets the flow where standing still fits better: around
 * moving objects their motion has spread too far.
 */
function settle(
  from: Plane,
  to: Plane,
  u: Float32Array,
  v: Float32Array,
  system: System,
  inside: Uint8Array,
  scratch: Float32Array,
): void {
  const { width, height, data } = from;
  const { xx: moved, xy: asMoved, yy: asStill } = system;
  moveBack(to, u, v, moved, inside);
  for (let p = 0; p < data.length; p++) {
    asMoved[p] = Math.abs(moved[p]! - data[p]!);
    asStill[p] = Math.abs(to.data[p]! - data[p]!);
  }
  blur(asMoved, scratch, width, height);
  blur(asStill, scratch, width, height);
  for (let p = 0; p < data.length; p++) {
    if (inside[p] && asStill[p]! < REST * asMoved[p]!) u[p] = v[p] = 0;
  }
}

/**
 * Warps a picture back along the flow, bilinearly; `inside`
 * becomes 1 where the source lies in the frame.
 */
function moveBack(
  { width, height, data }: Plane,
  u: Float32Array,
  v: Float32Array,
  moved: Float32Array,
  inside: Uint8Array,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      const sx = x + u[p]!;
      const sy = y + v[p]!;
      inside[p] = sx >= -0.5 && sy >= -0.5 && sx <= width - 0.5 && sy <= height - 0.5 ? 1 : 0;
      const cx = clamp(sx, width - 1);
      const cy = clamp(sy, height - 1);
      const x0 = Math.floor(cx);
      const y0 = Math.floor(cy);
      const x1 = x0 < width - 1 ? x0 + 1 : x0;
      const top = y0 * width;
      const bottom = y0 < height - 1 ? top + width : top;
      const ax = cx - x0;
      const above = data[top + x0]! + ax * (data[top + x1]! - data[top + x0]!);
      const below = data[bottom + x0]! + ax * (data[bottom + x1]! - data[bottom + x0]!);
      moved[p] = above + (cy - y0) * (below - above);
    }
  }
}

/** Box filter: each value becomes the mean of its window of 2 RADIUS + 1 squared; edges are repeated. */
function blur(plane: Float32Array, scratch: Float32Array, width: number, height: number): void {
  const share = 1 / (2 * RADIUS + 1);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let sum = 0;
    for (let i = -RADIUS; i <= RADIUS; i++) sum += plane[row + clamp(i, width - 1)]!;
    for (let x = 0; x < width; x++) {
      scratch[row + x] = sum * share;
      const enters = x + RADIUS + 1 < width ? x + RADIUS + 1 : width - 1;
      const leaves = x > RADIUS ? x - RADIUS : 0;
      sum += plane[row + enters]! - plane[row + leaves]!;
    }
  }
  const sums = new Float32Array(width);
  for (let i = -RADIUS; i <= RADIUS; i++) {
    const row = clamp(i, height - 1) * width;
    for (let x = 0; x < width; x++) sums[x] = sums[x]! + scratch[row + x]!;
  }
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const enters = Math.min(y + RADIUS + 1, height - 1) * width;
    const leaves = Math.max(y - RADIUS, 0) * width;
    for (let x = 0; x < width; x++) {
      plane[row + x] = sums[x]! * share;
      sums[x] = sums[x]! + scratch[enters + x]! - scratch[leaves + x]!;
    }
  }
}

/** Inverts each pixel's 2x2 system, including the smoothness term, in place: xx, xy and yy. */
function invert({ xx, xy, yy }: System): void {
  for (let p = 0; p < xx.length; p++) {
    const a = xx[p]! + 4 * SMOOTHNESS;
    const d = yy[p]! + 4 * SMOOTHNESS;
    const b = xy[p]!;
    const inverse = 1 / (a * d - b * b);
    xx[p] = d * inverse;
    xy[p] = -b * inverse;
    yy[p] = a * inverse;
  }
}

/** One sweep of successive over-relaxation; at the border a pixel is its own missing neighbour. */
function relax(
  u: Float32Array,
  v: Float32Array,
  { xx, xy, yy, xt, yt }: System,
  width: number,
): void {
  const last = u.length - width;
  for (let row = 0; row <= last; row += width) {
    const above = row > 0 ? -width : 0;
    const below = row < last ? width : 0;
    for (let x = 0; x < width; x++) {
      const p = row + x;
      const before = x > 0 ? p - 1 : p;
      const after = x < width - 1 ? p + 1 : p;
      const aroundU = u[before]! + u[after]! + u[p + above]! + u[p + below]!;
      const aroundV = v[before]! + v[after]! + v[p + above]! + v[p + below]!;
      const e = SMOOTHNESS * aroundU - xt[p]!;
      const f = SMOOTHNESS * aroundV - yt[p]!;
      u[p] = u[p]! + RELAXATION * (xx[p]! * e + xy[p]! * f - u[p]!);
      v[p] = v[p]! + RELAXATION * (xy[p]! * e + yy[p]! * f - v[p]!);
    }
  }
}

/** Clamps `i` to 0..last. */
export const clamp = (i: number, last: number): number => Math.max(0, Math.min(i, last));
