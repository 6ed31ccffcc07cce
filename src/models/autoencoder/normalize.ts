/** The arithmetic of the clip norms. */
import type { Tensor } from '../../tensor/index.js';

export interface NormalizeOptions {
  norm: { weight: Tensor; bias: Tensor; groups: number; eps: number };
  /** factors and offsets of every value, each [T, B, C, H, W] */
  modulation?: { scale: Tensor; shift: Tensor };
  /** ends with SiLU */
  activate: boolean;
}

/**
 * Group normalisation of a clip [T, B, C, H, W] over frames, height, width and the channels of a
 * group, in float32 whatever the clip's dtype; optionally modulated and activated.
 */
export function normalizeClip(clip: Tensor, options: NormalizeOptions): Tensor {
  const { norm, modulation, activate } = options;
  const [, b, c] = clip.dims(5);
  const x = clip.to('float32');
  const perGroup = (channelMeans: Tensor) =>
    channelMeans
      .view([b, norm.groups, c / norm.groups])
      .mean([-1], true)
      .expand([b, norm.groups, c / norm.groups])
      .reshape([1, b, c, 1, 1]);
  // mean first, then the mean square of what is left: no cancellation
  const centred = x.sub(perGroup(x.mean([0, 3, 4])));
  const variance = perGroup(centred.mul(centred).mean([0, 3, 4]));
  const weight = norm.weight.to('float32').view([1, 1, c, 1, 1]);
  const factor = variance.add(norm.eps).rsqrt().mul(weight); // [1, B, C, 1, 1]
  let y = centred.mul(factor).add(norm.bias.to('float32').view([1, 1, c, 1, 1]));
  if (modulation) y = y.mul(modulation.scale).add(modulation.shift);
  if (activate) y = y.silu();
  return y.to(clip.dtype);
}
