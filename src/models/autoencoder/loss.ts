/** The autoencoder's training loss. */
import type { Tensor } from '../../tensor/index.js';
import type { Autoencoder } from './autoencoder.js';

export interface AutoencoderLossOptions {
  /** weight of the mean absolute error, which keeps edges sharp */
  absolute: number;
  /** weight of the mean squared error, which PSNR measures */
  squared: number;
  /** weight of the KL divergence from a standard normal, averaged over latent values */
  kl: number;
  /** true: decode latents drawn from the posterior; false: decode its mode */
  sample: boolean;
  /** standard normal noise of the latents' shape to draw them with; default: from LibTorch */
  noise: ((shape: number[]) => Tensor) | null;
  /** latents [B, C, F, H, W] that those of the video shall be near, and the weight of the mean squared difference */
  near: { latents: Tensor; weight: number } | null;
}

// mostly the squared error, which PSNR measures; the absolute error keeps a gradient on small
// errors
const DEFAULTS: AutoencoderLossOptions = {
  absolute: 0.5,
  squared: 1,
  kl: 1e-6,
  sample: true,
  noise: null,
  near: null,
};

/** The parts of the loss as scalars in float32, and the decoded clip. */
export interface AutoencoderLoss {
  loss: Tensor;
  squared: Tensor;
  kl: Tensor;
  reconstruction: Tensor;
}

/**
 * Encodes and decodes `video` and compares the result with it.
 *
 * @param video [B, C, F, H, W] in [−1, 1], F = 4k + 1
 */
export function autoencoderLoss(
  model: Autoencoder,
  video: Tensor,
  options: Partial<AutoencoderLossOptions> = {},
): AutoencoderLoss {
  const { absolute, squared, kl, sample, noise, near } = { ...DEFAULTS, ...options };
  const posterior = model.encode(video);
  const latents = sample
    ? posterior.sample({ noise: noise?.(posterior.mean.shape) })
    : posterior.mode();
  const decoded = model.decode(latents);
  // an even number of latent frames decodes to more frames, of which the last ones are the clip's
  const extra = decoded.size(2) - video.size(2);
  const reconstruction = extra > 0 ? decoded.narrow(2, extra, video.size(2)) : decoded;

  const error = reconstruction.to('float32').sub(video.to('float32'));
  const squaredError = error.mul(error).mean();
  const perValue = posterior.kl().to('float32').sum().div(posterior.mean.numel);
  let loss = squaredError.mul(squared).add(error.abs().mean().mul(absolute)).add(perValue.mul(kl));
  if (near) {
    const away = posterior.mean.to('float32').sub(near.latents.to('float32'));
    loss = loss.add(away.mul(away).mean().mul(near.weight));
  }
  return { loss, squared: squaredError, kl: perValue, reconstruction };
}
