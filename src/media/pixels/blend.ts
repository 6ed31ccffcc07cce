/**
 * Joins generated pictures with the originals: puts known pixels back without a visible seam, and
 * cross-fades clips.
 */
import { ShapeError } from '../../errors.js';
import { expectFrames, type Frames } from '../frames.js';
import type { Hole } from '../mask/resize-mask.js';
import { pullPush } from './pull-push.js';

export interface BlendOptions {
  /** width in pixels of the generated border that is adjusted; by default 1/16 of the shorter side */
  feather?: number;
}

/**
 * The generated frames, with the known pixels of the original put back byte for byte. To hide the seam,
 * the difference between original and generated frames on the known side is extended into the hole (by
 * pull-push) and added there: in full next to the known part, fading out over `feather` pixels.
 *
 * @param made      the whole generated picture, including the known part
 * @param original  of the same size
 * @param hole      [F, H, W], or [H, W] for all frames: 1 where something was to be generated; between
 *                  0 and 1, the pixel is a mixture
 * @throws ShapeError if their sizes or lengths differ
 */
export function blendKnown(
  made: Frames,
  original: Frames,
  hole: Hole,
  { feather = Math.max(2, Math.round(Math.min(made.width, made.height) / 16)) }: BlendOptions = {},
): Frames {
  expectSame('blendKnown', made, original);
  const { width, height, numFrames } = made;
  const area = width * height;
  if (hole.length !== area && hole.length !== area * numFrames) {
    throw new ShapeError(
      `blendKnown: hole must be [F, H, W] or [H, W] = [${numFrames}, ${height}, ${width}], got ${hole.length} values`,
    );
  }
  const data = original.data.slice();
  for (let frame = 0; frame < numFrames; frame++) {
    const bytes = (frames: Uint8Array) => frames.subarray(frame * area * 3, (frame + 1) * area * 3);
    const at = hole.length === area ? 0 : frame * area;
    fillHole(bytes(data), bytes(made.data), hole.subarray(at, at + area), width, feather);
  }
  return { width, height, numFrames, data };
}

/**
 * Fades from the first clip to the second over all their frames. Every frame is a mixture: the frame
 * before the fade is the first clip's alone, the one after it the second's alone.
 *
 * @throws ShapeError unless they have one size and the same number of frames
 */
export function crossFade(a: Frames, b: Frames): Frames {
  expectSame('crossFade', a, b);
  const { width, height, numFrames } = a;
  const data = new Uint8Array(a.data.length);
  const size = width * height * 3;
  for (let frame = 0; frame < numFrames; frame++) {
    const share = (frame + 1) / (numFrames + 1);
    for (let i = frame * size; i < (frame + 1) * size; i++) {
      data[i] = a.data[i]! + (b.data[i]! - a.data[i]!) * share + 0.5;
    }
  }
  return { width, height, numFrames, data };
}

function expectSame(where: string, a: Frames, b: Frames): void {
  expectFrames(where, a);
  expectFrames(where, b);
  if (a.width !== b.width || a.height !== b.height || a.numFrames !== b.numFrames) {
    const shape = (frames: Frames) => `[${frames.numFrames}, ${frames.height}, ${frames.width}, 3]`;
    throw new ShapeError(
      `${where}: both must have one size and length, got ${shape(a)} and ${shape(b)}`,
    );
  }
}

/**
 * Fills the hole of one picture: `result`, [H, W, 3], holds
 * the original and receives generated pixels.
 */
function fillHole(
  result: Uint8Array,
  made: Uint8Array,
  hole: Hole,
  width: number,
  feather: number,
): void {
  const box = surroundings(hole, width, feather);
  if (box === null) return; // nothing was to be generated
  const [left, top, columns, rows] = box;
  const weights = new Float32Array(columns * rows); // 1 where known
  const values = new Float32Array(columns * rows * 3); // original - made, times weight
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0, from = (top + y) * width + left; x < columns; x++, i++, from++) {
      if (hole[from]) continue;
      weights[i] = 1;
      for (let c = 0; c < 3; c++) values[i * 3 + c] = result[from * 3 + c]! - made[from * 3 + c]!;
    }
  }
  const distances = distanceToKnown(hole, width, box);
  if (feather > 0) pullPush(values, weights, columns, rows);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0, to = (top + y) * width + left; x < columns; x++, i++, to++) {
      if (!hole[to]) continue;
      const share = falloff((distances[i]! - 1) / feather);
      const kept = 1 - hole[to]!;
      for (let c = 0; c < 3; c++) {
        const value = made[to * 3 + c]! + share * values[i * 3 + c]!;
        const mixed = value + kept * (result[to * 3 + c]! - value) + 0.5;
        result[to * 3 + c] = Math.max(0, Math.min(255, mixed));
      }
    }
  }
}

/** 1 at 0 and 0 from 1 on, with zero slope at both. NaN (no feather at all) and infinity give 0. */
function falloff(t: number): number {
  return t < 1 ? 1 - t * t * (3 - 2 * t) : 0;
}

type Rectangle = [left: number, top: number, width: number, height: number];

/** The hole with `feather` pixels around it, clipped to the picture; null if there is no hole. */
function surroundings(hole: Hole, width: number, feather: number): Rectangle | null {
  const height = hole.length / width;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    const row = hole.subarray(y * width, (y + 1) * width);
    const first = row.findIndex((share) => share > 0);
    if (first < 0) continue;
    left = Math.min(left, first);
    right = Math.max(
      right,
      row.findLastIndex((share) => share > 0),
    );
    top = Math.min(top, y);
    bottom = y;
  }
  if (right < 0) return null;
  const border = Math.ceil(feather) + 1;
  left = Math.max(0, left - border);
  top = Math.max(0, top - border);
  right = Math.min(width, right + 1 + border);
  bottom = Math.min(height, bottom + 1 + border);
  return [left, top, right - left, bottom - top];
}

/**
 * Chamfer distance to the nearest known pixel within the rectangle, with diagonal steps of sqrt(2): never
 * less than the Euclidean distance, and at most 8% more.
 */
function distanceToKnown(
  hole: Hole,
  width: number,
  [left, top, columns, rows]: Rectangle,
): Float32Array {
  const out = new Float32Array(columns * rows);
  const visit = (x: number, y: number, step: -1 | 1) => {
    const i = y * columns + x;
    if (!hole[(top + y) * width + left + x]) {
      out[i] = 0;
      return;
    }
    let best = step < 0 ? Number.POSITIVE_INFINITY : out[i]!;
    const [above, before, after] = [
      y + step >= 0 && y + step < rows,
      x + step >= 0 && x + step < columns,
      x - step >= 0 && x - step < columns,
    ];
    if (before) best = Math.min(best, out[i + step]! + 1);
    if (above) {
      const j = i + step * columns;
      best = Math.min(best, out[j]! + 1);
      if (before) best = Math.min(best, out[j + step]! + Math.SQRT2);
      if (after) best = Math.min(best, out[j - step]! + Math.SQRT2);
    }
    out[i] = best;
  };
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) visit(x, y, -1);
  }
  for (let y = rows - 1; y >= 0; y--) {
    for (let x = columns - 1; x >= 0; x--) visit(x, y, 1);
  }
  return out;
}
