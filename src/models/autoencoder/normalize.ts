/** The arithmetic of the clip norms: one fused pass over the clip where its dtype and device allow. */
import { call, type Tensor } from '../../tensor/index.js';
import { resizeNearest } from './resample.js';

export interface NormalizeOptions {
  norm: { weight: Tensor; bias: Tensor; groups: number; eps: number };
  /** factors and offsets, [t, B, C, h, w], resized to the clip by nearest neighbour */
  modulation?: { scale: Tensor; shift: Tensor };
  /** ends with SiLU */
  activate: boolean;
}

/**
 * Group normalisation of a clip [T, B, C, H, W] over frames, height, width and the channels of a
 * group, in float32 whatever the clip's dtype; optionally modulated and activated.
 */
export function normalizeClip(clip: Tensor, options: NormalizeOptions): Tensor {
  const fused = clip.device === 'cpu' && (clip.dtype === 'float32' || clip.dtype === 'bfloat16');
  if (!fused) return normalizePlain(clip, options);
  const { norm, modulation, activate } = options;
  return call(
    'mfm::clip_norm',
    clip,
    norm.weight,
    norm.bias,
    modulation?.scale ?? null,
    modulation?.shift ?? null,
    norm.groups,
    norm.eps,
    activate,
  ) as Tensor;
}

/** The same in plain operators. */
export function normalizePlain(clip: Tensor, options: NormalizeOptions): Tensor {
  const { norm, modulation, activate } = options;
  const [t, b, c, h, w] = clip.dims(5);
  const x = clip.to(clip.dtype === 'float64' ? 'float64' : 'float32');
  const perGroup = (channelMeans: Tensor) =>
    channelMeans
      .view([b, norm.groups, c / norm.groups])
      .mean([-1], true)
      .expand([b, norm.groups, c / norm.groups])
      .reshape([1, b, c, 1, 1]);
  // mean first, then the mean square of what is left: no cancellation
  const centred = x.sub(perGroup(x.mean([0, 3, 4])));
  const variance = perGroup(centred.mul(centred).mean([0, 3, 4]));
  const weight = norm.weight.to(x.dtype).view([1, 1, c, 1, 1]);
  const factor = variance.add(norm.eps).rsqrt().mul(weight); // [1, B, C, 1, 1]
  let y = centred.mul(factor).add(norm.bias.to(x.dtype).view([1, 1, c, 1, 1]));
  if (modulation) {
    const resized = (value: Tensor) => resizeNearest(value, [t, h, w]).to(x.dtype);
    y = y.mul(resized(modulation.scale)).add(resized(modulation.shift));
  }
  if (activate) y = y.silu();
  return y.to(clip.dtype);
}
