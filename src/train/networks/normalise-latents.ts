/**
 * Scales the latents of a trained autoencoder to unit variance, without changing its
 * reconstructions.
 */
import type { Autoencoder } from '../../models/autoencoder/index.js';
import { LATENTS_SCALE } from '../../pipeline/index.js';
import { noGrad, type Tensor, tidy } from '../../tensor/index.js';

/**
 * Folds a factor per latent channel into the encoder's last and the decoder's first weights, so
 * that latents times the pipelines' constant have a standard deviation of 1, like noise. Nothing
 * else has to change: the pipeline folder can be opened wherever the released ones can.
 *
 * @param videos   [B, 3, F, H, W] each, on which the scale is measured
 */
export function normaliseLatents(autoencoder: Autoencoder, videos: Tensor[]): void {
  const { latent_channels: channels } = autoencoder.config;
  noGrad(() =>
    tidy(() => {
      const moments = videos.map((video) => {
        const latents = autoencoder.encode(video).mode().to('float32'); // [1, C, f, h, w]
        return { mean: latents.mean(OVER), square: latents.square().mean(OVER) };
      });
      const mean = average(moments.map((moment) => moment.mean)); // [C]
      const variance = average(moments.map((moment) => moment.square)).sub(mean.square());
      const factor = variance.add(1e-8).rsqrt().div(LATENTS_SCALE); // [C]
      for (const [name, parameter] of autoencoder.namedParameters()) {
        if (name.startsWith('encoder.conv_out.')) {
          scaleFirstRows(parameter, factor, channels);
        } else if (name === 'decoder.conv_in.conv.weight' || readsLatents(name)) {
          const inverse = factor.reciprocal().view([1, channels, 1, 1, 1]);
          parameter.copy_(parameter.to('float32').mul(inverse));
        }
      }
    }),
  );
}

/** All dimensions but the channels. */
const OVER = [0, 2, 3, 4];

const average = (parts: Tensor[]): Tensor =>
  parts.reduce((sum, part) => sum.add(part)).div(parts.length);

/** Does a weight read the latents? Each norm of the decoder does so through two convolutions. */
const readsLatents = (name: string) => /^decoder\..*conv_[yb]\.conv\.weight$/.test(name);

/** The means come first and are multiplied; the log-variances follow and grow by 2 log(factor). */
function scaleFirstRows(parameter: Tensor, factor: Tensor, channels: number): void {
  const means = parameter.narrow(0, 0, channels);
  const shape = [channels, ...parameter.shape.slice(1).map(() => 1)];
  means.copy_(means.to('float32').mul(factor.view(shape)));
  if (parameter.ndim === 1) {
    const logvars = parameter.narrow(0, channels, channels);
    logvars.copy_(logvars.to('float32').add(factor.log().mul(2)));
  }
}
