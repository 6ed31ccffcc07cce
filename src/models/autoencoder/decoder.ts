/** The decoder: a chunk of latents becomes pictures. */

import { clipFromVideo, videoFromClip } from '../../nn/clip.js';
import { inTurn, Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { MidBlock, UpBlock } from './blocks.js';
import { CausalConv3d, type ConvCache } from './causal-conv.js';
import { type AutoencoderConfig, temporalLevels } from './config.js';
import type { Observer } from './encoder.js';
import { SpatialNorm } from './norm.js';

export class Decoder extends Module {
  readonly convIn: CausalConv3d;
  readonly midBlock: MidBlock;
  readonly upBlocks: UpBlock[];
  readonly normOut: SpatialNorm;
  readonly convOut: CausalConv3d;

  constructor(config: AutoencoderConfig) {
    super();
    const { norm_num_groups: groups, latent_channels: latentChannels } = config;
    const widths = [...config.block_out_channels].reverse();
    const makeNorm = (channels: number) => new SpatialNorm(groups, channels, latentChannels);
    const last = widths[widths.length - 1];

    this.convIn = this.child('conv_in', new CausalConv3d(latentChannels, widths[0], 3));
    this.midBlock = this.child('mid_block', new MidBlock(widths[0], makeNorm));
    this.upBlocks = this.childList(
      'up_blocks',
      widths.map(
        (outChannels, i) =>
          new UpBlock({
            inChannels: widths[Math.max(i - 1, 0)],
            outChannels,
            numLayers: config.layers_per_block + 1,
            makeNorm,
            resample: i < widths.length - 1,
            compressTime: i < temporalLevels(config),
          }),
      ),
    );
    this.normOut = this.child('norm_out', makeNorm(last));
    this.convOut = this.child('conv_out', new CausalConv3d(last, config.out_channels, 3));
  }

  /** chunk of latents [B, Cz, t, h, w] → pictures [B, C, T, H, W]; updates `cache` */
  forward(chunk: Tensor, cache: ConvCache, observe?: Observer): Tensor {
    const latents = clipFromVideo(chunk);
    const state = { cache, latents };
    const show = (name: string) => (x: Tensor) => {
      observe?.(`decoder.${name}`, videoFromClip(x));
      return x;
    };
    return inTurn(
      latents,
      (x) => this.convIn.forward(x, cache),
      show('conv_in'),
      (x) => this.midBlock.forward(x, state),
      show('mid_block'),
      ...this.upBlocks.flatMap((block, i) => [
        (x: Tensor) => block.forward(x, state),
        show(`up_blocks.${i}`),
      ]),
      (x) => {
        if (observe) show('norm_out')(this.normOut.forward(x, latents, { activate: false }));
        return this.normOut.forward(x, latents);
      },
      show('norm_out_act'),
      (x) => this.convOut.forward(x, cache),
      videoFromClip,
    );
  }
}
