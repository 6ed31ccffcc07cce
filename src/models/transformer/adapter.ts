/** The condition adapter: pixels, depth and mask at full resolution become one vector per token. */
import { clipConv, frames, videoFromClip } from '../../nn/clip.js';
import { Conv2d, Conv3d, inTurn, lean, Module } from '../../nn/index.js';
import { cat, type Tensor } from '../../tensor/index.js';
import { STAGE_PIXELS } from './cost.js';

/**
 * 3×3 convolutions with four strided ones (3D, 2D, 3D, 2D): 16 times smaller in space, 4 in time.
 */
export class ConditionAdapter extends Module {
  readonly convIn: Conv2d;
  readonly blocks: Conv[];
  readonly convOut: Conv2d;

  /** @param widths   channels of the stages; each stage after the first halves the size */
  constructor(inChannels: number, outChannels: number, widths: readonly number[]) {
    super();
    this.convIn = this.child('conv_in', new Conv2d(inChannels, widths[0], 3, { padding: 1 }));
    const strided = { stride: 2, padding: 1 };
    this.blocks = this.childList<Conv>(
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
   *
   * @param stagePixels   frames times pixels that the first stage processes at once
   */
  forward(condition: Tensor, stagePixels = STAGE_PIXELS): Tensor {
    const [first, second, ...others] = this.blocks;
    return inTurn(
      this.firstStage(condition, first!, second!, stagePixels),
      ...others.map((block) => (x: Tensor) => activated(block, x)),
      (x) => clipConv(x, { weight: this.convOut.weight, bias: this.convOut.bias, padding: 1 }),
      videoFromClip,
    );
  }

  /**
   * Up to the first strided convolution, at the size of the picture. Works on a few frames at a
   * time, since this part needs the most memory. The strided convolution sees one frame before and
   * one after.
   *
   * @returns a clip [F', B, C, H', W']
   */
  private firstStage(condition: Tensor, first: Conv, strided: Conv, stagePixels: number): Tensor {
    const [b, , f, h, w] = condition.dims(5);
    const { dtype } = this.convIn.weight;
    const few = Math.max(1, Math.floor(stagePixels / (2 * b * h * w)));
    const parts: Tensor[] = [];
    for (let start = 0; start < f; start += 2 * few) {
      const end = Math.min(f, start + 2 * few);
      const before = Math.min(1, start);
      const part = lean(() => {
        const seen = condition.narrow(2, start - before, end - start + before);
        const x = inTurn(
          // [T, B, C, H, W]; the convolution arranges it as it needs it
          seen.to(dtype).permute([2, 0, 1, 3, 4]),
          (y) => activated(this.convIn, y),
          (y) => activated(first, y),
        );
        if (before === 0) return activated(strided, x);
        return activated(strided, frames(x, 1, x.size(0)), frames(x, 0, 1));
      });
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : cat(parts, 0);
  }
}

type Conv = Conv2d | Conv3d;

/**
 * A convolution over pictures or clips, and SiLU: [T, B, C, H, W] → the same, halved where it is
 * strided.
 */
function activated(conv: Conv, clip: Tensor, past: Tensor | null = null): Tensor {
  const { weight, bias } = conv;
  const halveFrames = conv instanceof Conv3d;
  const stride = conv.stride[0]!;
  return clipConv(clip, {
    weight,
    bias,
    halveFrames,
    past,
    stride,
    padding: 1,
    activation: 'silu',
  });
}
