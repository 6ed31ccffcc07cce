/** The transformer's embeddings: time, motion score, and latent patches as tokens. */
import { InputError, ShapeError } from '../../errors.js';
import { linear } from '../../nn/fused.js';
import { Conv2d, Linear, Module } from '../../nn/index.js';
import { arange, cat, type Tensor } from '../../tensor/index.js';
import { SINUSOID_WIDTH } from './cost.js';

/** The frequencies of the sinusoid, 1 down to 1/10000, rounded to float32 at each step. [128] */
export function sinusoidFrequencies(device = 'cpu'): Tensor {
  const half = SINUSOID_WIDTH / 2;
  // the divisor is half - 1: the reference's downscale_freq_shift of 1
  return arange(0, half, 1, { dtype: 'float32', device })
    .mul(-Math.log(10_000))
    .div(half - 1)
    .exp();
}

/** values [B] → [B, 256] = [cos(128), sin(128)], float32 */
export function sinusoid(values: Tensor): Tensor {
  const angles = values.to('float32').unsqueeze(1).mul(sinusoidFrequencies(values.device));
  return cat([angles.cos(), angles.sin()], -1);
}

/** Sinusoid → Linear → SiLU → Linear. */
export class TimestepEmbedding extends Module {
  readonly linear1: Linear;
  readonly linear2: Linear;
  constructor(width: number) {
    super();
    this.linear1 = this.child('linear_1', new Linear(SINUSOID_WIDTH, width));
    this.linear2 = this.child('linear_2', new Linear(width, width));
  }

  /** sinusoid [B, 256] → [B, D] */
  forward(projected: Tensor): Tensor {
    const x = projected.to(this.linear1.weight.dtype);
    return this.linear2.forward(this.linear1.forward(x).silu());
  }
}

/** What is embedded beside the time at which the network looks. */
export interface TimeEmbedderOptions {
  motionScore: boolean;
  /** of a flow map: what its second embedder gets; see `TransformerConfig.deltatime_type` */
  deltaType?: 'r' | 't-r';
}

/** The timestep embedding, plus those of motion score and step, if the model has them. */
export class TimeEmbedder extends Module {
  readonly timestepEmbedder: TimestepEmbedding;
  readonly guidanceEmbedder: TimestepEmbedding | null;
  readonly deltaEmbedder: TimestepEmbedding | null;
  private readonly deltaType: 'r' | 't-r' | null;
  constructor(width: number, { motionScore, deltaType }: TimeEmbedderOptions) {
    super();
    this.timestepEmbedder = this.child('timestep_embedder', new TimestepEmbedding(width));
    this.guidanceEmbedder = motionScore
      ? this.child('guidance_embedder', new TimestepEmbedding(width))
      : null;
    this.deltaType = deltaType ?? null;
    this.deltaEmbedder = deltaType
      ? this.child('delta_embedder', new TimestepEmbedding(width))
      : null;
  }

  /**
   * @param timesteps      [B], 0 to 1000
   * @param motionScores   [B]; ignored by a model without a motion score, as in the reference
   * @param endTimesteps   [B], where a flow map's steps end; ignored by other models
   * @param trace          receives `time_proj` and `guidance_proj`
   * @returns              [B, D]
   * @throws InputError if a model with a motion score is given none
   */
  forward(
    timesteps: Tensor,
    motionScores: Tensor | null,
    endTimesteps: Tensor | null = null,
    trace?: Map<string, Tensor>,
  ): Tensor {
    const timeProj = sinusoid(timesteps);
    trace?.set('time_proj', timeProj);
    const ofTime = this.timestepEmbedder.forward(timeProj);
    const embedding = this.deltaEmbedder
      ? ofTime.add(this.deltaEmbedder.forward(sinusoid(this.delta(timesteps, endTimesteps))))
      : ofTime;
    if (!this.guidanceEmbedder) return embedding;
    if (!motionScores) {
      throw new InputError('TimeEmbedder.forward: motionScores must be given as [B], got none');
    }
    const guidanceProj = sinusoid(motionScores);
    trace?.set('guidance_proj', guidanceProj);
    return embedding.add(this.guidanceEmbedder.forward(guidanceProj));
  }

  /** What the second embedder gets; without an end, a step has no length. */
  private delta(timesteps: Tensor, ends: Tensor | null): Tensor {
    if (this.deltaType === 'r') return ends ?? timesteps;
    return ends ? timesteps.sub(ends) : timesteps.zerosLike();
  }
}

/** Square patches of each latent frame as tokens; a strided convolution written as one product. */
export class PatchEmbed extends Module {
  readonly proj: Conv2d;
  constructor(
    readonly inChannels: number,
    width: number,
    readonly patchSize: number,
  ) {
    super();
    this.proj = this.child(
      'proj',
      new Conv2d(inChannels, width, patchSize, { stride: patchSize, padding: 0 }),
    );
  }

  /**
   * latents [B, C, F, H, W] → [B, F * H/p * W/p, D], ordered frame, row, column
   * @throws ShapeError if channels differ or the patch does not divide height and width
   */
  forward(latents: Tensor): Tensor {
    const [, c, , height, width] = latents.dims(5);
    const p = this.patchSize;
    if (c !== this.inChannels || height % p !== 0 || width % p !== 0) {
      throw new ShapeError(
        `PatchEmbed.forward: latents must be [B, ${this.inChannels}, F, H, W] with H and W multiples of ${p}, got [${latents.shape.join(', ')}]`,
      );
    }
    const { weight, bias } = this.proj;
    return linear(patchify(latents.to(weight.dtype), p), weight.flatten(1), bias);
  }
}

/**
 * The patch of each token: latents [B, C, F, H, W] → [B, F * H/p * W/p, C * p * p], ordered frame,
 * row, column; `patchSize` must divide height and width
 */
export function patchify(latents: Tensor, patchSize: number): Tensor {
  const [b, c, f, height, width] = latents.dims(5);
  const p = patchSize;
  return latents
    .reshape([b, c, f, height / p, p, width / p, p])
    .permute([0, 2, 3, 5, 1, 4, 6]) // [B, F, H/p, W/p, C, p, p]
    .reshape([b, f * (height / p) * (width / p), c * p * p]);
}

/**
 * Tokens back to latents.
 *
 * @param tokens   [B, F * h * w, p * p * C], channels fastest
 * @returns        [B, C, F, h * p, w * p]
 */
export function unpatchify(
  tokens: Tensor,
  [frames, height, width]: [number, number, number],
  patchSize: number,
): Tensor {
  const b = tokens.size(0);
  const p = patchSize;
  const channels = tokens.size(-1) / (p * p);
  return tokens
    .reshape([b, frames, height, width, p, p, channels])
    .permute([0, 6, 1, 2, 4, 3, 5]) // [B, C, F, h, p, w, p]
    .reshape([b, channels, frames, height * p, width * p]);
}
