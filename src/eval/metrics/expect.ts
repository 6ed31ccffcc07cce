/** Checks of the metrics' arguments. */
import { ShapeError } from '../../errors.js';
import { expectFrames, type Frames } from '../../media/index.js';

/** Throws ShapeError unless both clips have one size and length. */
export function expectAlike(where: string, a: Frames, b: Frames): void {
  for (const clip of [a, b]) expectFrames(where, clip);
  if (a.width !== b.width || a.height !== b.height || a.numFrames !== b.numFrames) {
    throw new ShapeError(
      `${where}: clips must be of one size and length, got ${shapeOf(a)} and ${shapeOf(b)}`,
    );
  }
}

/** Throws ShapeError unless `hole` has one value per pixel of the clip, [F, H, W]. */
export function expectHole(where: string, clip: Frames, hole: Uint8Array): void {
  expectFrames(where, clip);
  if (hole.length !== clip.width * clip.height * clip.numFrames) {
    throw new ShapeError(
      `${where}: hole must be [F, H, W] of ${shapeOf(clip)}, got ${hole.length} pixels`,
    );
  }
}

const shapeOf = ({ width, height, numFrames }: Frames): string =>
  `${numFrames} frames of ${width}x${height}`;
