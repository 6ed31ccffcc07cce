/** What the autoencoder is trained to do. */
import type { Tensor } from '../../tensor/index.js';
import type { Autoencoder } from './autoencoder.js';

export interface AutoencoderLossOptions {
  /** weight of the absolute error, which keeps edges sharp */
  absolute: number;
  /** weight of the squared error, which is what PSNR measures */
  squared: number;
  /** weight of the divergence from a normal distribution, averaged over latent values */
  kl: number;
  /** whether latents are drawn or the most likely ones are decoded */
  sample: boolean;
  /** standard normal values of the latents' shape to draw them with; default: LibTorch's own */
  noise: ((shape: number[]) => Tensor) | null;
}

// mostly the squared error, which PSNR measures; the absolute one keeps small errors worth mending
const DEFAULTS: AutoencoderLossOptions = {
  absolute: 0.5,
  squared: 1,
  kl: 1e-6,
  sample: true,
  noise: null,
};

/** The parts of the loss as scalars in float32, and the decoded clip. */
export interface AutoencoderLoss {
  loss: Tensor;
  squared: Tensor;
  kl: Tensor;
  reconstruction: Tensor;
}

/**
 * Encodes and decodes `video` and compares.
 *
 * @param video [B, C, F, H, W] in [−1, 1]; F = 1 or 4k + 1, odd k + 1, so that as many frames return
 */
export function autoencoderLoss(
  model: Autoencoder,
  video: Tensor,
  options: Partial<AutoencoderLossOptions> = {},
): AutoencoderLoss {
  const { absolute, squared, kl, sample, noise } = { ...DEFAULTS, ...options };
  const posterior = model.encode(video);
  const latents = sample
    ? posterior.sample({ noise: noise?.(posterior.mean.shape) })
    : posterior.mode();
  const decoded = model.decode(latents);
  // an even number of latent frames decodes to more frames: the last ones are the clip's
  const extra = decoded.size(2) - video.size(2);
  const reconstruction = extra > 0 ? decoded.narrow(2, extra, video.size(2)) : decoded;

  const error = reconstruction.to('float32').sub(video.to('float32'));
  const squaredError = error.mul(error).mean();
  const perValue = posterior.kl().to('float32').sum().div(posterior.mean.numel);
  const loss = squaredError
    .mul(squared)
    .add(error.abs().mean().mul(absolute))
    .add(perValue.mul(kl));
  return { loss, squared: squaredError, kl: perValue, reconstruction };
}
