/** Halving and doubling a clip in time and space. */

import { clipConv, frames, perFrame } from '../../nn/clip.js';
import { Conv2d, inTurn, Module } from '../../nn/index.js';
import { cat, ops, type Tensor, tensor } from '../../tensor/index.js';

/** Halves height and width, and with `compressTime` the number of frames. */
export class Downsample extends Module {
  readonly conv: Conv2d;

  constructor(
    channels: number,
    private readonly compressTime: boolean,
  ) {
    super();
    this.conv = this.child('conv', new Conv2d(channels, channels, 3, { stride: 2 }));
  }

  /** clip [T, B, C, H, W] → [⌈T/2⌉ or T, B, C, ⌊H/2⌋, ⌊W/2⌋] */
  forward(clip: Tensor): Tensor {
    const { weight, bias } = this.conv;
    return inTurn(
      clip,
      (x) => (this.compressTime ? halveTime(x) : x),
      (x) => perFrame(x, (pictures) => ops.constantPadNd(pictures, [0, 1, 0, 1], 0)),
      (x) => clipConv(x, { weight, bias, stride: 2 }),
    );
  }
}

/** Doubles height and width, and with `compressTime` the number of frames. */
export class Upsample extends Module {
  readonly conv: Conv2d;

  constructor(
    channels: number,
    private readonly compressTime: boolean,
  ) {
    super();
    this.conv = this.child('conv', new Conv2d(channels, channels, 3, { padding: 1 }));
  }

  /** clip [T, B, C, H, W] → [T', B, C, 2H, 2W], where T' is T, or 2T, or 2T − 1 for odd T */
  forward(clip: Tensor): Tensor {
    const [t, , , h, w] = clip.dims(5);
    // frames are repeated after the convolution, which works frame by frame, to halve its work
    const { weight, bias } = this.conv;
    const larger = (x: Tensor) => perFrame(x, (y) => ops.upsampleNearest2d(y, [h * 2, w * 2]));
    const longer = (x: Tensor) =>
      x.indexSelect(0, timeIndices(t, t % 2 === 1 ? 2 * t - 1 : 2 * t, x.device));
    return inTurn(
      clip,
      larger,
      (x) => clipConv(x, { weight, bias, padding: 1 }),
      (x) => (this.compressTime && t > 1 ? longer(x) : x),
    );
  }
}

/**
 * Averages pairs of frames; if their number is odd, the first frame is kept unchanged.
 *
 * @param clip [T, B, C, H, W]
 */
function halveTime(clip: Tensor): Tensor {
  const t = clip.size(0);
  const odd = t % 2;
  if (t === 1) return clip;
  const even = clip.slice(0, odd, t, 2);
  const means = even.add(clip.slice(0, odd + 1, t, 2)).mul(0.5);
  return odd ? cat([frames(clip, 0, 1), means], 0) : means;
}

/**
 * For each of `to` output frames, the index among `from` input frames to copy, int64 [to]; if `to`
 * is odd, the first frame is kept apart from the rest.
 */
function timeIndices(from: number, to: number, device: string): Tensor {
  const apart = to > 1 && to % 2 === 1 ? 1 : 0;
  const indices = Array.from({ length: to }, (_, i) =>
    i < apart ? 0 : apart + Math.floor(((i - apart) * (from - apart)) / (to - apart)),
  );
  return tensor(indices, { dtype: 'int64', device });
}
