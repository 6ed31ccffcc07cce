import type { Size } from '../frames.js';
import type { DepthMap } from './depth-map.js';

/**
 * Resizes a map with a triangle filter whose support grows with the reduction. Equals `resize` of a
 * tensor in mode 'bilinear' up to rounding.
 */
export function resizeDepth(map: DepthMap, { width, height }: Size): DepthMap {
  if (map.width === width && map.height === height) return map;
  const { numFrames } = map;
  const wide = new Float32Array(numFrames * map.height * width);
  const columns = tapsOf(map.width, width);
  for (let row = 0; row < numFrames * map.height; row++) {
    const from = row * map.width;
    columns.forEach(({ first, weights }, x) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * map.data[from + first + k]!;
      wide[row * width + x] = sum;
    });
  }
  const data = new Float32Array(numFrames * height * width);
  const rows = tapsOf(map.height, height);
  for (let frame = 0; frame < numFrames; frame++) {
    rows.forEach(({ first, weights }, y) => {
      const to = (frame * height + y) * width;
      const from = (frame * map.height + first) * width;
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * wide[from + k * width + x]!;
        data[to + x] = sum;
      }
    });
  }
  return { ...map, width, height, data };
}

/** For each output sample: the first input sample, and the weights from there on, which sum to 1. */
function tapsOf(from: number, to: number): { first: number; weights: number[] }[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + stretch + 0.5));
    const raw = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((first + k - centre + 0.5) / stretch)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}
