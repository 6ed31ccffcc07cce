/** The convolution that looks back in time only, and what it remembers between chunks. */

import { clipConv, frames } from '../../nn/clip.js';
import { Conv3d, Module } from '../../nn/index.js';
import { cat, type Tensor, tidy } from '../../tensor/index.js';

/**
 * The last input frames of every causal convolution, [K − 1, B, C, H, W], carried from one chunk of
 * a clip to the next. A fresh one starts a clip; whoever made it frees what is in it.
 */
export type ConvCache = Map<CausalConv3d, Tensor>;

/**
 * A 3D convolution whose frame t sees frames t − 2, t − 1 and t. Before the first frame of a clip
 * stand copies of that frame; height and width are padded with zeros.
 */
export class CausalConv3d extends Module {
  readonly conv: Conv3d;
  private readonly reach: number;

  constructor(inChannels: number, outChannels: number, kernel: 1 | 3) {
    super();
    this.reach = kernel - 1;
    this.conv = this.child('conv', new Conv3d(inChannels, outChannels, kernel));
  }

  /** clip [T, B, C, H, W] → [T, B, C', H, W] */
  forward(clip: Tensor, cache: ConvCache): Tensor {
    const { weight, bias } = this.conv;
    if (this.reach === 0) return clipConv(clip, { weight, bias });

    const past = cache.get(this) ?? null;
    const next = tidy(() => lastFrames(clip, past)).keep();
    const y = clipConv(clip, { weight, bias, past, padding: 1 });
    cache.set(this, next);
    past?.dispose();
    return y;
  }
}

/** The last two frames that the convolution has seen, those before the clip's own included. */
function lastFrames(clip: Tensor, past: Tensor | null): Tensor {
  const t = clip.size(0);
  const before = past ? frames(past, 1, 2) : frames(clip, 0, 1);
  const last = t >= 2 ? frames(clip, t - 2, t) : cat([before, clip], 0);
  // a copy: a view would keep the whole chunk alive, which a gradient does anyway
  return last.requiresGrad ? last : last.clone();
}
