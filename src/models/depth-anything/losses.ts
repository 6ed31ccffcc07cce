/**
 * The losses that depth networks are trained with. Depth here is relative: an inverse distance, of
 * which only the course within a picture is known, not its scale or level.
 * Source: Ranftl et al. 2019 (MiDaS), arXiv 1907.01341; Yang et al. 2024, arXiv 2406.09414
 */
import type { Tensor } from '../../tensor/index.js';

/** A map that is constant has no scale; its deviation counts as this. */
const LEAST_DEVIATION = 1e-4;

/** Each map [B, H, W] minus its median, divided by its mean absolute deviation from it (eq. 5, 6). */
export function normalisedDepth(depth: Tensor): Tensor {
  const [b, h, w] = depth.dims(3);
  const flat = depth.to('float32').reshape([b, h * w]);
  const [sorted] = flat.sort(1);
  const median = sorted.narrow(1, Math.floor((h * w - 1) / 2), 1);
  const centred = flat.sub(median);
  const deviation = centred.abs().mean([1], true).clamp(LEAST_DEVIATION);
  return centred.div(deviation).reshape([b, h, w]);
}

/** The mean absolute difference of two maps [B, H, W] (eq. 7, without trimming); a scalar. */
export const meanDifference = (predicted: Tensor, wanted: Tensor): Tensor =>
  predicted.sub(wanted).abs().mean();

/** Scales at which gradients are compared, each half of the one before. */
const SCALES = 4;

/**
 * How much the differences between neighbouring pixels differ in two maps [B, H, W], summed over four
 * scales (eq. 11): keeps edges sharp and surfaces smooth. A scalar.
 */
export function gradientLoss(predicted: Tensor, wanted: Tensor): Tensor {
  let error = predicted.sub(wanted);
  let sum: Tensor | null = null;
  for (let scale = 0; scale < SCALES; scale++) {
    if (scale > 0) error = error.slice(1, 0, null, 2).slice(2, 0, null, 2);
    const [, h, w] = error.dims(3);
    if (h < 2 || w < 2) break;
    const down = error.narrow(1, 1, h - 1).sub(error.narrow(1, 0, h - 1));
    const right = error.narrow(2, 1, w - 1).sub(error.narrow(2, 0, w - 1));
    const steps = down.abs().mean().add(right.abs().mean());
    sum = sum ? sum.add(steps) : steps;
  }
  return sum ?? error.mul(0).sum();
}

/** Weights of the losses beside the one that is invariant to scale and shift. */
export interface DepthLossWeights {
  /** of `gradientLoss` */
  gradient: number;
  /** of the plain difference, which fixes scale and level, so that they are steady over a clip */
  level: number;
}

/**
 * The loss of a network's maps, with its parts.
 *
 * @param predicted  [B, H, W], larger is nearer
 * @param wanted     the same, at a fixed scale
 * @returns          scalars; only `loss` is to be minimised
 */
export function depthLoss(
  predicted: Tensor,
  wanted: Tensor,
  weights: DepthLossWeights,
): { loss: Tensor; invariant: Tensor; gradient: Tensor; level: Tensor } {
  const [own, other] = [normalisedDepth(predicted), normalisedDepth(wanted)];
  const invariant = meanDifference(own, other);
  const gradient = gradientLoss(own, other);
  const level = meanDifference(predicted.to('float32'), wanted);
  const loss = invariant.add(gradient.mul(weights.gradient)).add(level.mul(weights.level));
  return { loss, invariant, gradient, level };
}
