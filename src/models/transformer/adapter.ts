/** The condition adapter: pixels, depth and mask at full resolution become one vector per token. */
import { silu } from '../../nn/fused.js';
import { Conv2d, Conv3d, Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';

/**
 * 3×3 convolutions with four strided ones (3D, 2D, 3D, 2D): 16 times smaller in space, 4 in time.
 * Frames go through the 2D convolutions as a batch.
 */
export class ConditionAdapter extends Module {
  readonly convIn: Conv2d;
  readonly blocks: (Conv2d | Conv3d)[];
  readonly convOut: Conv2d;

  /** @param widths   channels of the stages; each further one halves the size */
  constructor(inChannels: number, outChannels: number, widths: readonly number[]) {
    super();
    this.convIn = this.child('conv_in', new Conv2d(inChannels, widths[0], 3, { padding: 1 }));
    const strided = { stride: 2, padding: 1 };
    this.blocks = this.childList<Conv2d | Conv3d>(
      'blocks',
      widths.slice(1).flatMap((width, i) => {
        const from = widths[i];
        const Strided = i % 2 === 0 ? Conv3d : Conv2d;
        return [new Conv2d(from, from, 3, { padding: 1 }), new Strided(from, width, 3, strided)];
      }),
    );
    const last = widths[widths.length - 1];
    this.convOut = this.child('conv_out', new Conv2d(last, outChannels, 3, { padding: 1 }));
  }

  /**
   * condition [B, C, F, H, W] → [B, D, F', H', W'], where each halving rounds up, so that
   * 4k + 1 frames give k + 1
   */
  forward(condition: Tensor): Tensor {
    const b = condition.size(0);
    let x = silu(this.convIn.forward(asFrames(condition.to(this.convIn.weight.dtype))));
    for (const block of this.blocks) {
      x = block instanceof Conv3d ? asFrames(block.forward(asClip(x, b))) : block.forward(x);
      x = silu(x);
    }
    return asClip(this.convOut.forward(x), b);
  }
}

/**
 * [B, C, F, H, W] → [B * F, C, H, W] in channels-last memory: at these widths the 2D convolutions
 * take half the time, and the 3D ones are faster with a contiguous copy. Measured
 */
function asFrames(clip: Tensor): Tensor {
  const [b, c, f, h, w] = clip.dims(5);
  const frames = clip.transpose(1, 2).reshape([b * f, c, h, w]);
  return frames.contiguous({ memoryFormat: 'channelsLast' });
}

/** [B * F, C, H, W] → [B, C, F, H, W], contiguous */
function asClip(frames: Tensor, batch: number): Tensor {
  const [n, c, h, w] = frames.dims(4);
  return frames
    .reshape([batch, n / batch, c, h, w])
    .transpose(1, 2)
    .contiguous();
}
