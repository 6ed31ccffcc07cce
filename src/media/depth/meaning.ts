/** What the values of a depth file mean, and the conversion to relative depth: larger is nearer. */
import type { DepthMap } from './depth-map.js';

/**
 * The value of the nearest point of a picture; the farthest is 0. Relative depth has no fixed range: the
 * maximum of Depth Anything V2 lies between about 5 and 15, depending on the scene.
 */
export const NEAREST = 10;

/**
 * Larger is nearer, as depth models write it; larger is farther; or values are distances, as sensors
 * measure them, where 0 means that nothing was measured.
 */
export const DEPTH_MEANINGS = ['near', 'far', 'distance'] as const;
export type DepthMeaning = (typeof DEPTH_MEANINGS)[number];

/**
 * Relative depth from 0, the farthest point, to `NEAREST`: linear in the values, or in the inverse of
 * distances. Points without a distance (0 or less) become the farthest.
 *
 * @returns null if all values are the same, which holds no depth
 */
export function toRelative(values: Float32Array, is: DepthMeaning): Float32Array | null {
  const { least, most } = rangeOf(values, is);
  if (!(least < most)) return null;
  const data = new Float32Array(values.length);
  if (is === 'distance') {
    const scale = NEAREST / (1 / least - 1 / most);
    for (let i = 0; i < data.length; i++) {
      data[i] = values[i]! > 0 ? (1 / values[i]! - 1 / most) * scale : 0;
    }
    return data;
  }
  const scale = NEAREST / (most - least);
  for (let i = 0; i < data.length; i++) {
    data[i] = (is === 'near' ? values[i]! - least : most - values[i]!) * scale;
  }
  return data;
}

/** The least and largest value; of distances only those that were measured. */
export function rangeOf(
  values: Float32Array,
  is: DepthMeaning = 'near',
): { least: number; most: number } {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (is === 'distance' && !(value > 0)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { least, most };
}

/** A map whose bottom is far and whose top is near, by this share of its range, is doubtful. */
const DOUBTFUL = 0.2;
/** Share of points that were not measured, and the gap between 0 and all others, in a sensor's map. */
const UNMEASURED = 0.001;
const GAP = 0.05;
/** Frames that are looked at. */
const LOOKED_AT = 4;

/**
 * What a map's values probably mean, if not that larger is nearer: the ground is near at the bottom of
 * most pictures, and a sensor leaves points at 0. null: nothing speaks against it.
 */
export function doubtedMeaning({
  width,
  height,
  numFrames,
  data,
}: DepthMap): 'far' | 'distance' | null {
  const third = Math.floor(height / 3);
  if (third === 0) return null;
  const { least, most } = rangeOf(data);
  const floor = least + GAP * (most - least);
  const sums = { top: [0, 0], bottom: [0, 0] };
  let [lowest, between, looked] = [0, 0, 0];
  for (let n = 0; n < Math.min(LOOKED_AT, numFrames); n++) {
    const frame = Math.floor((n * numFrames) / Math.min(LOOKED_AT, numFrames));
    for (let y = 0; y < height; y++) {
      const sum = y < third ? sums.top : y >= height - third ? sums.bottom : null;
      for (let x = 0; x < width; x++) {
        const value = data[(frame * height + y) * width + x]!;
        looked++;
        if (value === least) {
          lowest++;
          continue; // perhaps not measured
        }
        if (value < floor) between++;
        if (!sum) continue;
        sum[0]! += value;
        sum[1]!++;
      }
    }
  }
  const mean = ([sum, count]: number[]) => (count! > 0 ? sum! / count! : least);
  const [top, bottom] = [mean(sums.top), mean(sums.bottom)];
  const hasHoles = lowest >= UNMEASURED * looked && between === 0;
  if (hasHoles && bottom < top) return 'distance';
  return bottom < top - DOUBTFUL * (most - least) ? 'far' : null;
}
