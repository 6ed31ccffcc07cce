/** Resizes masks. */
import type { Frames, Size } from '../frames.js';

/**
 * Resizes a mask by nearest neighbour, so that its edges stay sharp. Picks the same pixels as torch's
 * `interpolate(mode='nearest')`, which computes their positions in float32.
 *
 * @param hole   [F, H, W], 1 where something is to be generated
 * @param from   the current size
 */
export function resizeHole(hole: Uint8Array, from: Frames, to: Size): Uint8Array {
  const { width, height, numFrames } = from;
  if (width === to.width && height === to.height) return hole;
  const columns = nearest(width, to.width);
  const rows = nearest(height, to.height);
  const resized = new Uint8Array(numFrames * to.width * to.height);
  let at = 0;
  for (let frame = 0; frame < numFrames; frame++) {
    for (const y of rows) {
      const row = (frame * height + y) * width;
      for (const x of columns) resized[at++] = hole[row + x]!;
    }
  }
  return resized;
}

/** For each of the `to` output samples the index of the input sample at its lower edge. */
function nearest(from: number, to: number): number[] {
  const scale = Math.fround(from / to);
  return Array.from({ length: to }, (_, i) =>
    Math.min(from - 1, Math.floor(Math.fround(i * scale))),
  );
}
