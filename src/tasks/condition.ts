/**
 * Lays out what is known as the common form of every task's condition: pixels, depth and mask at full
 * resolution. Training and generation both use `conditionOf`, so users' inputs reach the model exactly
 * as in training.
 */
import { type Frames, framesToTensor, resizeFrames, type Size } from '../media/index.js';
import type { Hole } from '../media/mask/resize-mask.js';
import { fromArray, type Tensor, tidy, zeros } from '../tensor/index.js';
import type { ConditionInputs, Target } from './condition-inputs.js';
import { type DepthRules, depthChannel, type LaidOut } from './depth-channel.js';
import { expectPlaces, runsOf } from './places.js';

/** The input of the network's adapter, for one sample. */
export interface Condition {
  /** [1, 3, F, H, W] in -1..1, zero where unknown */
  pixels: Tensor;
  /** [1, 1, F, H, W]; zero where unknown */
  depth: Tensor;
  /** [1, 1, F, H, W], 1 = known */
  mask: Tensor;
}

/**
 * Lays the given parts out at the target's size and length. Frames of another size are resized as
 * Pillow does (bicubic); holes by nearest neighbour, so they stay sharp.
 *
 * @param rules   how the pipeline takes depth
 * Source: the paper, 3.1; the reference's pipeline_mfm.py multiplies the pixels by the mask
 */
export function conditionOf(
  { known, geometry }: ConditionInputs,
  target: Target,
  rules: Partial<DepthRules> = {},
): Condition {
  const { width, height, numFrames } = target;
  return tidy(() => {
    const pixels = zeros([1, 3, numFrames, height, width]);
    const mask = zeros([1, 1, numFrames, height, width]);
    const laid = known.map((one): LaidOut => {
      expectPlaces('known frames', one.frames.numFrames, one.at, numFrames);
      const fitted = resizeFrames(one.frames, target);
      return { ...one, fitted, keep: one.hole && keepMask(one.hole, one.frames, target) };
    });
    const depth = depthChannel(laid, geometry, target, rules);
    for (const { fitted, at, gray, keep } of laid) {
      const colours = framesToTensor(fitted); // [1, 3, F', H, W]
      const seen = gray ? inGray(colours) : colours;
      const shown = keep ? seen.mul(keep) : seen;
      const whole = at.length === numFrames && at.every((place, i) => place === i);
      if (whole && known.length === 1) return { pixels: shown, depth, mask: keep ?? mask.fill_(1) };
      for (const { place, first, count } of runsOf(at)) {
        pixels.narrow(2, place, count).copy_(shown.narrow(2, first, count));
        const known = mask.narrow(2, place, count);
        if (keep) known.copy_(keep.narrow(2, first, count));
        else known.fill_(1);
      }
    }
    return { pixels, depth, mask };
  });
}

/**
 * Three equal channels of luma. x [1, 3, F, H, W] in -1..1
 * Source: the weights of torchvision's rgb_to_grayscale, which the reference uses
 */
export function inGray(x: Tensor): Tensor {
  const [red, green, blue] = x.mul(0.5).add(0.5).unbind(1);
  const luma = red!.mul(0.2989).add(green!, { alpha: 0.587 }).add(blue!, { alpha: 0.114 });
  return luma.mul(2).sub(1).unsqueeze(1).expand(x.shape).contiguous();
}

/** [1, 1, F, H, W] float32: the share of the input that is kept. */
function keepMask(hole: Hole, { width, height, numFrames }: Frames, target: Size): Tensor {
  const keep = new Float32Array(hole.length); // a loop: `from` with a function takes ten times as long
  for (let i = 0; i < keep.length; i++) keep[i] = 1 - hole[i]!;
  const mask = fromArray(keep, [numFrames, 1, height, width]);
  const { width: w, height: h } = target;
  const fitted = w === width && h === height ? mask : mask.upsampleNearest2d([h, w]);
  return fitted.view([1, 1, numFrames, h, w]);
}
