/**
 * Fills holes with a harmonic function, like a soap film: each pixel is the mean of its neighbours
 * (Laplace's equation), fixed at the known pixels around the hole (Dirichlet) and free at the frame's
 * borders (Neumann), so that a missing margin takes the colours of the edge next to it.
 */
import type { Frames } from '../media/index.js';

/**
 * Stop when no pixel changes by this many levels (0..255) in
 * a sweep; errors are then below 0.5. Measured
 */
const TOLERANCE = 0.01;
/** Limit of sweeps per level; a hole of 400x400 pixels takes 800. Measured */
const MAX_SWEEPS = 2000;

/**
 * Fills the hole of each frame separately; a frame without known pixels becomes middle gray.
 *
 * @param hole  [F, H, W], 1 where something is missing; the clip's pixels there are ignored
 */
export function harmonicFill(clip: Frames, hole: Uint8Array): Frames {
  const { width, height, numFrames } = clip;
  const plane = width * height;
  const data = clip.data.slice();
  for (let frame = 0; frame < numFrames; frame++) {
    const missing = hole.subarray(frame * plane, (frame + 1) * plane);
    const pixels = data.subarray(frame * plane * 3, (frame + 1) * plane * 3);
    if (!missing.includes(0)) pixels.fill(128);
    if (!missing.includes(1) || !missing.includes(0)) continue;
    const film: Film = { width, height, missing, values: Float32Array.from(pixels) };
    stretch(film);
    for (let i = 0; i < pixels.length; i++) pixels[i] = Math.round(film.values[i]!);
  }
  return { ...clip, data };
}

/** One frame: `values` [H, W, 3], known where `missing` [H, W] is 0. */
interface Film {
  width: number;
  height: number;
  missing: Uint8Array;
  values: Float32Array;
}

/**
 * Solves at half the size first, where distances across a
 * hole are short, and starts from that solution.
 */
function stretch(film: Film): void {
  const { width, height, missing, values } = film;
  if (!missing.includes(1)) return;
  const coarse = halved(film);
  stretch(coarse);
  for (let p = 0; p < missing.length; p++) {
    if (!missing[p]) continue;
    const from = (Math.floor(p / width) >> 1) * coarse.width + ((p % width) >> 1);
    for (let c = 0; c < 3; c++) values[p * 3 + c] = coarse.values[from * 3 + c]!;
  }
  relax(values, inner(missing, width, height));
}

/**
 * Halves the size: each pixel is the mean of the known ones
 * among 2x2, and missing if all of these are.
 */
function halved({ width, height, missing, values }: Film): Film {
  const [w, h] = [(width + 1) >> 1, (height + 1) >> 1];
  const sums = new Float32Array(w * h * 3);
  const counts = new Uint8Array(w * h);
  for (let p = 0; p < missing.length; p++) {
    if (missing[p]) continue;
    const to = (Math.floor(p / width) >> 1) * w + ((p % width) >> 1);
    for (let c = 0; c < 3; c++) sums[to * 3 + c] = sums[to * 3 + c]! + values[p * 3 + c]!;
    counts[to] = counts[to]! + 1;
  }
  return {
    width: w,
    height: h,
    missing: counts.map((count) => (count === 0 ? 1 : 0)),
    values: sums.map((sum, i) => sum / Math.max(1, counts[Math.floor(i / 3)]!)),
  };
}

/**
 * The missing pixels and their four neighbours; at the
 * frame's border the opposite neighbour counts twice.
 */
function inner(missing: Uint8Array, width: number, height: number) {
  const places: number[] = [];
  const around: number[] = [];
  for (let p = 0; p < missing.length; p++) {
    if (!missing[p]) continue;
    const [x, y] = [p % width, Math.floor(p / width)];
    const left = x > 0 ? p - 1 : null;
    const right = x < width - 1 ? p + 1 : null;
    const above = y > 0 ? p - width : null;
    const below = y < height - 1 ? p + width : null;
    places.push(p);
    around.push(left ?? right ?? p, right ?? left ?? p, above ?? below ?? p, below ?? above ?? p);
  }
  return { places: Int32Array.from(places), around: Int32Array.from(around) };
}

/** Successive over-relaxation until convergence. */
function relax(values: Float32Array, { places, around }: ReturnType<typeof inner>): void {
  // optimal for a square with this number of pixels. Source: Young 1954, successive over-relaxation
  const relaxation = 2 / (1 + Math.sin(Math.PI / (Math.sqrt(places.length) + 1)));
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let largest = 0;
    for (let i = 0; i < places.length; i++) {
      const at = places[i]! * 3;
      for (let c = 0; c < 3; c++) {
        const mean =
          (values[around[i * 4]! * 3 + c]! +
            values[around[i * 4 + 1]! * 3 + c]! +
            values[around[i * 4 + 2]! * 3 + c]! +
            values[around[i * 4 + 3]! * 3 + c]!) /
          4;
        const step = relaxation * (mean - values[at + c]!);
        values[at + c] = values[at + c]! + step;
        largest = Math.max(largest, Math.abs(step));
      }
    }
    if (largest < TOLERANCE) return;
  }
}
