/**
 * The memory layout of clips inside convolutional networks: [T, B, C, H, W], frames channels-last.
 * A range of frames is then contiguous, all frames together form a batch of pictures for the 2D
 * operators, and switching between the two views copies nothing.
 */
import { call, type Tensor } from '../tensor/index.js';

/** [B, C, T, H, W], as users hold clips → [T, B, C, H, W], frames channels-last */
export function clipFromVideo(video: Tensor): Tensor {
  return video.permute([2, 0, 3, 4, 1]).contiguous().permute([0, 1, 4, 2, 3]);
}

/** [T, B, C, H, W] → [B, C, T, H, W], contiguous */
export function videoFromClip(clip: Tensor): Tensor {
  return clip.permute([1, 2, 0, 3, 4]).contiguous();
}

/** [T, B, C, H, W] → [T·B, C, H, W] through `fn` and back; `fn` may change C, H and W */
export function perFrame(clip: Tensor, fn: (pictures: Tensor) => Tensor): Tensor {
  const [t, b, c, h, w] = clip.dims(5);
  const pictures = fn(clip.reshape([t * b, c, h, w]));
  const [, outC, outH, outW] = pictures.dims(4);
  return pictures.reshape([t, b, outC, outH, outW]);
}

/** Frames [start, end) of a clip. */
export function frames(clip: Tensor, start: number, end: number): Tensor {
  return clip.narrow(0, start, end - start);
}

export interface ClipConvOptions {
  /** [C', C, k, k] or [C', C, 1, k, k]: each frame alone; [C', C, 3, k, k]: over three frames */
  weight: Tensor;
  bias: Tensor | null;
  /**
   * Without it, output frame t is computed from frames t − 2, t − 1 and t; with it, from 2t − 1, 2t
   * and 2t + 1, and half as many frames come out, rounded up.
   */
  halveFrames?: boolean;
  /**
   * The two frames before the clip, [2, B, C, H, W]; null repeats its first frame. With
   * `halveFrames`, the one frame before it, [1, B, C, H, W]; null means zeros. Zeros also follow
   * the clip then.
   */
  past?: Tensor | null;
  stride?: number;
  padding?: number;
  /** applied to the result, in the same pass where the CPU allows it */
  activation?: 'silu' | null;
}

/**
 * clip [T, B, C, H, W] → [T or ⌈T/2⌉, B, C', H', W']; H and W are padded with zeros
 *
 * @throws OperatorError  for other shapes, or tensors on different devices
 */
export function clipConv(clip: Tensor, options: ClipConvOptions): Tensor {
  const { weight, bias, halveFrames = false, past = null, stride = 1, padding = 0 } = options;
  const silu = options.activation === 'silu';
  const taps = weight.ndim === 4 ? weight.unsqueeze(2) : weight;
  return call('mfm::clip_conv', clip, past, taps, bias, stride, padding, halveFrames, silu);
}
