/** Group normalisation of clips, plain for the encoder and spatially conditioned for the decoder. */
import { constantParameter, Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { CausalConv3d } from './causal-conv.js';
import { normalizeClip } from './normalize.js';

/** SiLU follows a norm unless it is switched off, to observe the norm alone. */
export interface NormOptions {
  activate?: boolean;
}

/** A norm of the encoder or decoder; only in the decoder `latents` [t, B, Cz, h, w] are given. */
export interface ClipNorm extends Module {
  forward(clip: Tensor, latents: Tensor | null, options?: NormOptions): Tensor;
}

/** GroupNorm over all frames of the chunk, then SiLU. */
export class ClipGroupNorm extends Module implements ClipNorm {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(
    readonly groups: number,
    channels: number,
    readonly eps: number,
  ) {
    super();
    this.weight = this.param('weight', constantParameter([channels], 1));
    this.bias = this.param('bias', constantParameter([channels], 0));
  }

  /** clip [T, B, C, H, W] → the same shape */
  forward(clip: Tensor, _latents: Tensor | null = null, options: NormOptions = {}): Tensor {
    return normalizeClip(clip, { norm: this, activate: options.activate ?? true });
  }
}

/**
 * GroupNorm scaled and shifted by two 1×1×1 convolutions of the latents, then SiLU. Those
 * convolutions commute with the nearest-neighbour resizing, so they are done at latent size.
 * Source: Zheng et al. 2022, MoVQ, arXiv 2209.09002
 */
export class SpatialNorm extends Module implements ClipNorm {
  readonly norm: ClipGroupNorm;
  readonly scaleConv: CausalConv3d;
  readonly shiftConv: CausalConv3d;

  constructor(groups: number, channels: number, latentChannels: number) {
    super();
    // 1e-6 whatever the config says, as in the reference
    this.norm = this.child('norm_layer', new ClipGroupNorm(groups, channels, 1e-6));
    this.scaleConv = this.child('conv_y', new CausalConv3d(latentChannels, channels, 1));
    this.shiftConv = this.child('conv_b', new CausalConv3d(latentChannels, channels, 1));
  }

  /** clip [T, B, C, H, W], latents [t, B, Cz, h, w] → [T, B, C, H, W] */
  forward(clip: Tensor, latents: Tensor | null, options: NormOptions = {}): Tensor {
    if (!latents) throw new TypeError('SpatialNorm.forward: needs the latents');
    const noCache = new Map();
    const scale = this.scaleConv.forward(latents, noCache);
    const shift = this.shiftConv.forward(latents, noCache);
    return normalizeClip(clip, {
      norm: this.norm,
      modulation: { scale, shift },
      activate: options.activate ?? true,
    });
  }
}
