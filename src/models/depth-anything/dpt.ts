/**
 * The dense prediction transformer's neck and head: tokens of several stages become maps of several
 * sizes, are fused from the deepest stage up, and yield one depth per pixel.
 * Source: Ranftl et al. 2021, DPT, arXiv 2103.13413; transformers `DepthAnythingNeck`
 */
import { Conv2d, ConvTranspose2d, Module } from '../../nn/index.js';
import { ops, type Tensor, tidy } from '../../tensor/index.js';
import type { DepthAnythingConfig } from './config.js';
import { type DepthObserver, patchMap } from './dinov2.js';

export class DepthNeck extends Module {
  private readonly reassemble: Reassemble[];
  private readonly convs: Conv2d[];
  private readonly fusion: Fusion[];

  constructor(config: DepthAnythingConfig) {
    super();
    const { neck_hidden_sizes: sizes, fusion_hidden_size: width } = config;
    this.reassemble = this.childList(
      'reassemble_stage.layers',
      sizes.map(
        (channels, i) =>
          new Reassemble(config.reassemble_hidden_size, channels, config.reassemble_factors[i]!),
      ),
    );
    this.convs = this.childList(
      'convs',
      sizes.map((channels) => new Conv2d(channels, width, 3, { padding: 1, bias: false })),
    );
    this.fusion = this.childList(
      'fusion_stage.layers',
      sizes.map(() => new Fusion(width)),
    );
  }

  /**
   * @param stages  tokens [B, 1 + h w, D] or maps [B, D, h, w], shallow to deep
   * @returns       the fused maps [B, C, H, W], from the deepest stage alone to all stages
   */
  forward(stages: Tensor[], [h, w]: [number, number], observe?: DepthObserver): Tensor[] {
    const maps = stages.map((stage, i) => {
      const map = stage.ndim === 4 ? stage : patchMap(stage, h, w);
      const sized = this.reassemble[i]!.forward(map);
      observe?.(`neck.reassemble.${i}`, sized);
      return this.convs[i]!.forward(sized);
    });
    if (observe) for (const [i, map] of maps.entries()) observe(`neck.convs.${i}`, map);

    const deepestFirst = maps.reverse();
    const joined: Tensor[] = [];
    for (const [i, map] of deepestFirst.entries()) {
      const next = deepestFirst[i + 1];
      const [height, width] = (next ?? map).shape.slice(2) as [number, number];
      const size = next ? [height, width] : [2 * height, 2 * width];
      const layer = this.fusion[i]!;
      joined.push(
        tidy(() => (i === 0 ? layer.first(map, size) : layer.join(joined[i - 1]!, map, size))),
      );
      observe?.(`neck.fusion.${i}`, joined[i]!);
    }
    return joined;
  }
}

/** Gives a stage its number of channels and its size, `factor` pixels per patch. */
class Reassemble extends Module {
  private readonly projection: Conv2d;
  /** null if the size does not change */
  private readonly resize: Conv2d | ConvTranspose2d | null;

  constructor(inChannels: number, channels: number, factor: number) {
    super();
    this.projection = this.child('projection', new Conv2d(inChannels, channels, 1));
    const resize = resizing(channels, factor);
    this.resize = resize && this.child('resize', resize);
  }

  forward(map: Tensor): Tensor {
    const projected = this.projection.forward(map);
    return this.resize ? this.resize.forward(projected) : projected;
  }
}

function resizing(channels: number, factor: number): Conv2d | ConvTranspose2d | null {
  if (factor === 1) return null;
  return factor > 1
    ? new ConvTranspose2d(channels, channels, factor, { stride: factor })
    : new Conv2d(channels, channels, 3, { stride: Math.trunc(1 / factor), padding: 1 });
}

/** Adds a stage to the fusion of the deeper ones, and enlarges the sum to the next stage's size. */
class Fusion extends Module {
  private readonly projection: Conv2d;
  /** unused in the deepest stage's layer, where checkpoints contain it nevertheless */
  private readonly residual1: ResidualUnit;
  private readonly residual2: ResidualUnit;

  constructor(width: number) {
    super();
    this.projection = this.child('projection', new Conv2d(width, width, 1));
    this.residual1 = this.child('residual_layer1', new ResidualUnit(width));
    this.residual2 = this.child('residual_layer2', new ResidualUnit(width));
  }

  first(x: Tensor, size: number[]): Tensor {
    return this.projection.forward(bilinear(this.residual2.forward(x), size));
  }

  join(deeper: Tensor, stage: Tensor, size: number[]): Tensor {
    return this.first(deeper.add(this.residual1.forward(stage)), size);
  }
}

/** x plus two 3×3 convolutions of it, each preceded by ReLU. */
class ResidualUnit extends Module {
  private readonly convolution1: Conv2d;
  private readonly convolution2: Conv2d;

  constructor(width: number) {
    super();
    const conv = () => new Conv2d(width, width, 3, { padding: 1 });
    this.convolution1 = this.child('convolution1', conv());
    this.convolution2 = this.child('convolution2', conv());
  }

  forward(x: Tensor): Tensor {
    return this.convolution2.forward(this.convolution1.forward(x.relu()).relu()).add(x);
  }
}

export class DepthHead extends Module {
  private readonly conv1: Conv2d;
  private readonly conv2: Conv2d;
  private readonly conv3: Conv2d;

  constructor(private readonly config: DepthAnythingConfig) {
    super();
    const { fusion_hidden_size: width, head_hidden_size: hidden } = config;
    const half = Math.floor(width / 2);
    this.conv1 = this.child('conv1', new Conv2d(width, half, 3, { padding: 1 }));
    this.conv2 = this.child('conv2', new Conv2d(half, hidden, 3, { padding: 1 }));
    this.conv3 = this.child('conv3', new Conv2d(hidden, 1, 1));
  }

  /** Fused maps of `[h, w]` patches → [B, h · patch, w · patch] float32 */
  forward(joined: Tensor[], [h, w]: [number, number], observe?: DepthObserver): Tensor {
    const { patch_size: patch, depth_estimation_type: type, max_depth: maxDepth } = this.config;
    const narrow = this.conv1.forward(joined.at(this.config.head_in_index)!);
    observe?.('head.conv1', narrow);
    const upsampled = bilinear(narrow, [h * patch, w * patch]);
    observe?.('head.upsampled', upsampled);
    const hidden = this.conv2.forward(upsampled).relu();
    // float32 from here on: in bfloat16, smooth surfaces would turn into steps
    const { weight, bias } = this.conv3;
    const raw = ops.conv2d(hidden.to('float32'), weight.to('float32'), bias?.to('float32'));
    return (type === 'metric' ? raw.sigmoid() : raw.relu()).mul(maxDepth || 1).squeeze(1);
  }
}

/** Bilinear with aligned corners; in float32, the only dtype that all LibTorch versions support. */
function bilinear(x: Tensor, size: number[]): Tensor {
  return ops.upsampleBilinear2d(x.to('float32'), size, true).to(x.dtype);
}
