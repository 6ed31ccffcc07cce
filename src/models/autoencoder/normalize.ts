/** The clip norms as one operator of the addon, see native/src/kernels/clip_norm.cpp. */
import { call, type Tensor } from '../../tensor/index.js';

export interface NormalizeOptions {
  norm: { weight: Tensor; bias: Tensor; groups: number; eps: number };
  /** scale and shift, [t, B, C, h, w], resized to the clip by nearest neighbour */
  modulation?: { scale: Tensor; shift: Tensor };
  /** whether SiLU follows */
  activate: boolean;
}

/**
 * Group normalisation of a clip [T, B, C, H, W] over frames, height, width and the channels of a
 * group, in float32 whatever the clip's dtype; optionally modulated and activated.
 */
export function normalizeClip(clip: Tensor, options: NormalizeOptions): Tensor {
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
