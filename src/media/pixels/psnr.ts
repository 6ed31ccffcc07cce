/** Peak signal-to-noise ratio. */
import { type Tensor, tidy } from '../../tensor/index.js';

/**
 * 10 log10(peak² / mse) in dB, for values clipped to -1..1 (so the peak is 2). A mask weights the squared
 * errors.
 *
 * @param mask   broadcastable to `x`
 */
export function psnr(x: Tensor, reference: Tensor, mask: Tensor | null = null): number {
  return tidy(() => {
    const clip = (t: Tensor) => t.to('float32').clamp(-1, 1);
    const squared = clip(x).sub(clip(reference)).square();
    const error = mask
      ? squared.mul(mask).sum().item() / mask.expand(squared.shape).sum().item()
      : squared.mean().item();
    return 10 * Math.log10(4 / error);
  });
}
