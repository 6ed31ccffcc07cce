/**
 * The one form of every task's condition: pixels, depth and mask at full resolution. Training and
 * use both come through `conditionOf`, so what a model was trained on is what a user gives it.
 */
import { InputError } from '../errors.js';
import { type Frames, framesToTensor, resizeFrames, type Size } from '../media/index.js';
import { fromArray, type Tensor, tidy, zeros } from '../tensor/index.js';

/** What is known of a clip that is to be made. */
export interface Given {
  /** the known frames, at any size; null where only the prompt is given */
  frames: Frames | null;
  /** where on the new clip's time line each of them lies; as long as `frames` */
  at: number[];
  /** [F, H, W] of the known frames: 1 where something is to be made, 0 where the input is kept */
  hole: Uint8Array | null;
}

/** Size and length of the clip that is to be made. */
export interface Target extends Size {
  numFrames: number;
}

/** What the network's adapter takes, of one sample. */
export interface Condition {
  /** [1, 3, F, H, W] in -1..1, zero where unknown */
  pixels: Tensor;
  /** [1, 1, F, H, W]; zero where unknown */
  depth: Tensor;
  /** [1, 1, F, H, W], 1 = known */
  mask: Tensor;
}

/** Nothing is known but the prompt. */
export const NOTHING: Given = { frames: null, at: [], hole: null };

/**
 * Lays the given parts on the target's grid. Frames of another size are resized as Pillow does
 * (bicubic); a hole likewise by nearest, so it stays sharp.
 *
 * Source: the paper, 3.1; the reference's pipeline_mfm.py multiplies the pixels by the mask
 */
export function conditionOf({ frames, at, hole }: Given, target: Target): Condition {
  const { width, height, numFrames } = target;
  return tidy(() => {
    const pixels = zeros([1, 3, numFrames, height, width]);
    const mask = zeros([1, 1, numFrames, height, width]);
    const depth = zeros([1, 1, numFrames, height, width]);
    if (!frames) return { pixels, depth, mask };
    expectPlaces(frames, at, numFrames);

    const known = framesToTensor(resizeFrames(frames, target)); // [1, 3, F', H, W]
    const keep = hole ? keepMask(hole, frames, target) : null; // [1, 1, F', H, W]
    const whole = at.length === numFrames && at.every((place, i) => place === i);
    if (whole) {
      return { pixels: keep ? known.mul(keep) : known, depth, mask: keep ?? mask.fill_(1) };
    }
    at.forEach((place, i) => {
      const frame = known.narrow(2, i, 1);
      const kept = keep?.narrow(2, i, 1);
      pixels.narrow(2, place, 1).copy_(kept ? frame.mul(kept) : frame);
      if (kept) mask.narrow(2, place, 1).copy_(kept);
      else mask.narrow(2, place, 1).fill_(1);
    });
    return { pixels, depth, mask };
  });
}

/** [1, 1, F, H, W] float32: 1 where the input is kept. */
function keepMask(hole: Uint8Array, { width, height, numFrames }: Frames, target: Size): Tensor {
  const keep = Float32Array.from(hole, (made) => 1 - made);
  const mask = fromArray(keep, [numFrames, 1, height, width]);
  const { width: w, height: h } = target;
  const fitted = w === width && h === height ? mask : mask.upsampleNearest2d([h, w]);
  return fitted.view([1, 1, numFrames, h, w]);
}

function expectPlaces(frames: Frames, at: number[], numFrames: number): void {
  if (at.length !== frames.numFrames || at.some((place) => place < 0 || place >= numFrames)) {
    throw new InputError(
      `conditionOf: ${frames.numFrames} known frames need a place each within ${numFrames} frames, got [${at.join(', ')}]`,
    );
  }
}
