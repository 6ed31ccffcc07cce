/** Resizes masks. */
import type { Frames, Size } from '../frames.js';

/**
 * The part of frames to generate, [F, H, W]: 1 where something is to be generated, 0 where the input is
 * kept; a Float32Array may hold any share between.
 */
export type Hole = Uint8Array | Float32Array;

/**
 * Resizes a mask by nearest neighbour, so that its edges stay sharp. Picks the same pixels as torch's
 * `interpolate(mode='nearest')`, which computes their positions in float32.
 *
 * @param hole   [F, H, W]; shares stay as they are
 * @param from   the current size
 */
export function resizeHole<H extends Hole>(hole: H, from: Omit<Frames, 'data'>, to: Size): H {
  const { width, height, numFrames } = from;
  if (width === to.width && height === to.height) return hole;
  const columns = nearest(width, to.width);
  const rows = nearest(height, to.height);
  const length = numFrames * to.width * to.height;
  const resized = hole instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
  let at = 0;
  for (let frame = 0; frame < numFrames; frame++) {
    for (const y of rows) {
      const row = (frame * height + y) * width;
      for (const x of columns) resized[at++] = hole[row + x]!;
    }
  }
  return resized as H;
}

/** For each of the `to` output samples the index of the input sample at its lower edge. */
function nearest(from: number, to: number): number[] {
  const scale = Math.fround(from / to);
  return Array.from({ length: to }, (_, i) =>
    Math.min(from - 1, Math.floor(Math.fround(i * scale))),
  );
}
