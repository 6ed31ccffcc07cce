/** The convolution that looks only back in time, and the frames it keeps between chunks. */

import { clipConv, frames } from '../../nn/clip.js';
import { Conv3d, Module } from '../../nn/index.js';
import { cat, type Tensor, tidy } from '../../tensor/index.js';

/**
 * The last input frames of every causal convolution, [K − 1, B, C, H, W], carried from one chunk of
 * a clip to the next. A clip starts with an empty cache; whoever created it frees its tensors.
 */
export type ConvCache = Map<CausalConv3d, Tensor>;

/**
 * A 3D convolution whose output frame t sees input frames t − 2, t − 1 and t. The start of a clip
 * is padded with copies of its first frame, height and width with zeros.
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

/** The last two frames that the convolution has seen, in this clip or before it. */
function lastFrames(clip: Tensor, past: Tensor | null): Tensor {
  const t = clip.size(0);
  const before = past ? frames(past, 1, 2) : frames(clip, 0, 1);
  const last = t >= 2 ? frames(clip, t - 2, t) : cat([before, clip], 0);
  // copied, since a view would keep the whole chunk alive; with gradients it stays alive anyway
  return last.requiresGrad ? last : last.clone();
}
