/** The normal distribution that the encoder predicts for every latent value. */
import { type Generator, randn, type Tensor } from '../../tensor/index.js';

export class DiagonalGaussian {
  /** [B, C, …] */
  readonly mean: Tensor;
  /** [B, C, …], clamped to [−30, 20] */
  readonly logvar: Tensor;

  /** @param parameters [B, 2C, …]: means, then log variances */
  constructor(readonly parameters: Tensor) {
    const [mean, logvar] = parameters.chunk(2, 1);
    this.mean = mean;
    this.logvar = logvar.clamp(-30, 20);
  }

  get std(): Tensor {
    return this.logvar.mul(0.5).exp();
  }

  get variance(): Tensor {
    return this.logvar.exp();
  }

  /** The most likely latents, [B, C, …]. */
  mode(): Tensor {
    return this.mean;
  }

  /** Draws latents [B, C, …] with standard normal `noise`, given or drawn from `generator`. */
  sample({ noise, generator }: { noise?: Tensor; generator?: Generator } = {}): Tensor {
    const { shape, dtype, device } = this.mean;
    const draw = noise ?? randn(shape, { generator, dtype: 'float32' }).to(device);
    return this.mean.add(this.std.mul(draw.to(dtype)));
  }

  /**
   * KL divergence from a standard normal, nats, summed over dimensions 1 to 3 as in the reference.
   */
  kl(): Tensor {
    const { mean, logvar, variance } = this;
    return mean.mul(mean).add(variance).sub(1).sub(logvar).sum([1, 2, 3]).mul(0.5);
  }
}
