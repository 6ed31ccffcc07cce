/** The convolution that looks back in time only, and what it remembers between chunks. */
import { Conv3d, Module } from '../../nn/index.js';
import { cat, ops, type Tensor } from '../../tensor/index.js';
import { frames, perFrame } from './clip.js';

/**
 * The last input frames of every causal convolution, [K − 1, B, C, H, W], carried from one chunk of
 * a clip to the next. A fresh one starts a clip.
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
    if (this.reach === 0) return perFrame(clip, (x) => ops.conv2d(x, weight.select(2, 0), bias));

    const past = cache.get(this);
    const t = clip.size(0);
    const first = frames(clip, 0, 1);
    const before = past ?? cat([first, first], 0); // [2, B, C, H, W]
    const remembered = t >= 2 ? frames(clip, t - 2, t) : cat([frames(before, 1, 2), clip], 0);
    // a copy: a view would keep the whole chunk alive
    cache.set(this, remembered.requiresGrad ? remembered : remembered.clone());

    if (!past && t === 1) {
      // a picture: the three frames that the kernel sees are the same one
      return perFrame(clip, (x) => pictureConv(x, weight.sum([2]), bias));
    }
    const padded = cat([before, clip], 0); // [T + 2, B, C, H, W]
    // three 2D convolutions: faster on CPU than a 3D one in either memory format (measured)
    const taps = [0, 1, 2].map((tap) =>
      perFrame(frames(padded, tap, tap + t), (x) =>
        pictureConv(x, weight.select(2, tap), tap === 2 ? bias : null),
      ),
    );
    return taps[2].add(taps[1]).add(taps[0]);
  }
}

/** x [N, C, H, W], weight [C', C, 3, 3] → [N, C', H, W] */
function pictureConv(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  return ops.conv2d(x, weight, bias, [1, 1], [1, 1]);
}
