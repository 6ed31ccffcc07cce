/** Rectified flow as a training objective: noise levels, noised latents, the velocity and its loss. */
import { type Generator, randn, type Tensor, tensor } from '../tensor/index.js';
import { expectSameShape } from './shapes.js';

export interface LogitNormalOptions {
  /** mean and standard deviation of the normal distribution before the sigmoid */
  mean?: number;
  std?: number;
  /** above 1: more training on high noise, which larger pictures need */
  shift?: number;
  generator?: Generator;
  device?: string;
}

/**
 * Draws a noise level for each item of a batch.
 *
 * @returns [B] in (0, 1), float32
 * Source: Esser et al. 2024, arXiv 2403.03206
 */
export function logitNormalSigmas(batchSize: number, options: LogitNormalOptions = {}): Tensor {
  const { mean = 0, std = 1, shift = 1, generator, device } = options;
  const normal = randn([batchSize], { generator, device, dtype: 'float32' });
  return sigmasFromNormal(normal.mul(std).add(mean), shift);
}

/**
 * Noise levels from normally distributed values, by a shifted sigmoid. [B] → [B]
 *
 * @param shift   of all, or of each item
 */
export function sigmasFromNormal(normal: Tensor, shift: number | readonly number[]): Tensor {
  return shiftSigmas(normal.sigmoid(), shift);
}

/** Shifts noise levels [B] towards 1, as `sigmasFromNormal` does. */
export function shiftSigmas(sigmas: Tensor, shift: number | readonly number[]): Tensor {
  const shifts = typeof shift === 'number' ? Array(sigmas.numel).fill(shift) : shift;
  const [by, byLess] = [0, 1].map((less) =>
    tensor(shifts.map((one) => one - less)).to(sigmas.device),
  );
  return sigmas.mul(by!).div(sigmas.mul(byLess!).add(1));
}

/** The timesteps that the model receives for noise levels. [B] → [B] */
export function timestepsOf(sigmas: Tensor, numTrainTimesteps = 1000): Tensor {
  return sigmas.mul(numTrainTimesteps);
}

/** (1 - sigma) · latents + sigma · noise. latents, noise [B, …]; sigmas [B] */
export function addNoise(latents: Tensor, noise: Tensor, sigmas: Tensor): Tensor {
  expectSameShape('addNoise', { latents, noise });
  const level = sigmas.view([latents.size(0), ...latents.shape.slice(1).map(() => 1)]);
  return latents.mul(level.mul(-1).add(1)).add(noise.mul(level));
}

/** The velocity that the model learns to predict: noise - latents. */
export function velocityTarget(latents: Tensor, noise: Tensor): Tensor {
  expectSameShape('velocityTarget', { latents, noise });
  return noise.sub(latents);
}

/** Mean squared error of each item, in float32. [B, …] → [B] */
export function velocityLosses(prediction: Tensor, target: Tensor): Tensor {
  expectSameShape('velocityLosses', { prediction, target });
  return prediction.to('float32').sub(target.to('float32')).square().flatten(1).mean([1]);
}

/** Mean squared error over everything, in float32; a scalar. */
export function velocityLoss(prediction: Tensor, target: Tensor): Tensor {
  return velocityLosses(prediction, target).mean();
}
