/**
 * How a clip lies in memory inside the autoencoder: [T, B, C, H, W], every frame channels-last.
 * A range of frames is then one piece of memory, all frames together are a batch of pictures for
 * the 2D operators, and nothing is copied to go from one to the other.
 */
import { call, type Tensor, tidy } from '../../tensor/index.js';

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

/**
 * The result of `steps`, each given what the one before made; that is freed as soon as it has been
 * used, so a clip of full size is not held for every step. What gradients need, LibTorch keeps.
 */
export function inTurn(x: Tensor, ...steps: ((x: Tensor) => Tensor)[]): Tensor {
  let current = x;
  for (const step of steps) {
    const next = tidy(() => step(current));
    if (current !== x && current !== next) current.dispose();
    current = next;
  }
  return current;
}

export interface ClipConvOptions {
  /** [C', C, k, k] or [C', C, 1, k, k]: every frame alone; [C', C, 3, k, k]: with the two before it */
  weight: Tensor;
  bias: Tensor | null;
  /** [2, B, C, H, W], the frames before the clip; null repeats its first one */
  past?: Tensor | null;
  stride?: number;
  padding?: number;
}

/** clip [T, B, C, H, W] → [T, B, C', H', W'] */
export function clipConv(clip: Tensor, options: ClipConvOptions): Tensor {
  const { weight, bias, past = null, stride = 1, padding = 0 } = options;
  const taps = weight.ndim === 4 ? weight.unsqueeze(2) : weight;
  return call('mfm::clip_conv', clip, past, taps, bias, stride, padding);
}
