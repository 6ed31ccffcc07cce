/** The encoder: a chunk of pictures becomes the means and log variances of its latents. */

import { clipFromVideo, videoFromClip } from '../../nn/clip.js';
import { inTurn, Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { DownBlock, MidBlock } from './blocks.js';
import { CausalConv3d, type ConvCache } from './causal-conv.js';
import { type AutoencoderConfig, temporalLevels } from './config.js';
import { ClipGroupNorm } from './norm.js';

/** Receives the outputs of a network's parts, [B, C, T, H, W], under their state-dict names. */
export type Observer = (name: string, output: Tensor) => void;

export class Encoder extends Module {
  readonly convIn: CausalConv3d;
  readonly downBlocks: DownBlock[];
  readonly midBlock: MidBlock;
  readonly normOut: ClipGroupNorm;
  readonly convOut: CausalConv3d;

  constructor(config: AutoencoderConfig) {
    super();
    const { block_out_channels: widths, norm_num_groups: groups } = config;
    const makeNorm = (channels: number) => new ClipGroupNorm(groups, channels, config.norm_eps);
    const last = widths[widths.length - 1];

    this.convIn = this.child('conv_in', new CausalConv3d(config.in_channels, widths[0], 3));
    this.downBlocks = this.childList(
      'down_blocks',
      widths.map(
        (outChannels, i) =>
          new DownBlock({
            inChannels: widths[Math.max(i - 1, 0)],
            outChannels,
            numLayers: config.layers_per_block,
            makeNorm,
            resample: i < widths.length - 1,
            compressTime: i < temporalLevels(config),
          }),
      ),
    );
    this.midBlock = this.child('mid_block', new MidBlock(last, makeNorm));
    // 1e-6 whatever the config says, as in the reference
    this.normOut = this.child('norm_out', new ClipGroupNorm(groups, last, 1e-6));
    this.convOut = this.child('conv_out', new CausalConv3d(last, 2 * config.latent_channels, 3));
  }

  /** chunk [B, C, T, H, W] → means and log variances [B, 2·Cz, t, h, w]; updates `cache` */
  forward(chunk: Tensor, cache: ConvCache, observe?: Observer): Tensor {
    const state = { cache, latents: null };
    const show = (name: string) => (x: Tensor) => {
      observe?.(`encoder.${name}`, videoFromClip(x));
      return x;
    };
    return inTurn(
      clipFromVideo(chunk),
      (x) => this.convIn.forward(x, cache),
      show('conv_in'),
      ...this.downBlocks.flatMap((block, i) => [
        (x: Tensor) => block.forward(x, state),
        show(`down_blocks.${i}`),
      ]),
      (x) => this.midBlock.forward(x, state),
      show('mid_block'),
      (x) => {
        if (observe) show('norm_out')(this.normOut.forward(x, null, { activate: false }));
        return this.normOut.forward(x);
      },
      show('norm_out_act'),
      (x) => this.convOut.forward(x, cache),
      videoFromClip,
    );
  }
}
