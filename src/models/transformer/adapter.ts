/** The condition adapter: pixels, depth and mask at full resolution become one vector per token. */
import { silu } from '../../nn/fused.js';
import { Conv2d, Conv3d, inTurn, lean, Module } from '../../nn/index.js';
import { cat, ops, type Tensor } from '../../tensor/index.js';
import { STAGE_PIXELS } from './cost.js';

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
   *
   * @param stagePixels   frames times pixels that the first stage works on at once
   */
  forward(condition: Tensor, stagePixels = STAGE_PIXELS): Tensor {
    const b = condition.size(0);
    const [first, second, ...others] = this.blocks;
    const layers = others.map((block) => (x: Tensor) => silu(run(block, x, b)));
    const out = inTurn(
      this.firstStage(condition, first!, second!, stagePixels),
      (x) => asFrames(silu(x)),
      ...layers,
      (x) => this.convOut.forward(x),
    );
    return asClip(out, b);
  }

  /**
   * Up to the first strided convolution, at the size of the picture: a few frames at a time, since
   * it is here that memory goes. The convolution sees one frame before and after its own.
   */
  private firstStage(
    condition: Tensor,
    first: Conv2d | Conv3d,
    strided: Conv2d | Conv3d,
    stagePixels: number,
  ): Tensor {
    const [b, , f, h, w] = condition.dims(5);
    const { dtype } = this.convIn.weight;
    const outFrames = Math.ceil(f / 2);
    const few = Math.max(1, Math.floor(stagePixels / (2 * b * h * w)));
    const parts: Tensor[] = [];
    for (let from = 0; from < outFrames; from += few) {
      const count = Math.min(few, outFrames - from);
      // where these frames look; the clip's own ends are padded with nothing
      const [start, end] = [2 * from - 1, 2 * (from + count)];
      const part = lean(() => {
        const seen = condition.narrow(2, Math.max(0, start), Math.min(f, end) - Math.max(0, start));
        const x = inTurn(
          asFrames(seen.to(dtype)),
          (y) => silu(this.convIn.forward(y)),
          (y) => silu(first.forward(y)),
          (y) => asClip(y, b),
        );
        const [before, after] = [start < 0, end > f];
        if (before && after) return strided.forward(x);
        const padded = x.constantPadNd([0, 0, 0, 0, before ? 1 : 0, after ? 1 : 0]);
        const { weight, bias, stride } = strided;
        return ops.conv3d(padded, weight, bias, stride, [0, 1, 1]);
      });
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : cat(parts, 2);
  }
}

/** frames [B * F, C, H, W] through a convolution over pictures or over clips. */
function run(block: Conv2d | Conv3d, frames: Tensor, batch: number): Tensor {
  if (block instanceof Conv2d) return block.forward(frames);
  return lean(() => asFrames(block.forward(asClip(frames, batch))));
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
