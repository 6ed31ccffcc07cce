/** Residual blocks and the levels made of them, the same for encoder and decoder. */

import { clipConv } from '../../nn/clip.js';
import { Conv3d, inTurn, Module } from '../../nn/index.js';
import { isGradEnabled, type Tensor } from '../../tensor/index.js';
import { CausalConv3d, type ConvCache } from './causal-conv.js';
import type { ClipNorm } from './norm.js';
import { Downsample, Upsample } from './resample.js';

/** State that accompanies a chunk through the encoder or decoder. */
export interface ChunkState {
  cache: ConvCache;
  /** [t, B, Cz, h, w], on which the decoder's norms are conditioned; null in the encoder */
  latents: Tensor | null;
}

/** Creates a norm for the given number of channels. */
export type MakeNorm = (channels: number) => ClipNorm;

/** Twice norm, SiLU and convolution, with a shortcut around them. */
export class ResnetBlock extends Module {
  readonly norm1: ClipNorm;
  readonly conv1: CausalConv3d;
  readonly norm2: ClipNorm;
  readonly conv2: CausalConv3d;
  readonly shortcut: Conv3d | null;

  constructor(inChannels: number, outChannels: number, makeNorm: MakeNorm) {
    super();
    this.norm1 = this.child('norm1', makeNorm(inChannels));
    this.conv1 = this.child('conv1', new CausalConv3d(inChannels, outChannels, 3));
    this.norm2 = this.child('norm2', makeNorm(outChannels));
    this.conv2 = this.child('conv2', new CausalConv3d(outChannels, outChannels, 3));
    this.shortcut =
      inChannels === outChannels
        ? null
        : this.child('conv_shortcut', new Conv3d(inChannels, outChannels, 1));
  }

  /** clip [T, B, C, H, W] → [T, B, C', H, W] */
  forward(clip: Tensor, { cache, latents }: ChunkState): Tensor {
    const { shortcut } = this;
    return inTurn(
      clip,
      (x) => this.norm1.forward(x, latents),
      (x) => this.conv1.forward(x, cache),
      (x) => this.norm2.forward(x, latents),
      (x) => this.conv2.forward(x, cache),
      (x) => {
        const { weight, bias } = shortcut ?? { weight: null, bias: null };
        const kept = weight ? clipConv(clip, { weight, bias }) : clip;
        return isGradEnabled() ? x.add(kept) : x.add_(kept);
      },
    );
  }
}

/** Two residual blocks of one width. */
export class MidBlock extends Module {
  readonly resnets: ResnetBlock[];

  constructor(channels: number, makeNorm: MakeNorm) {
    super();
    this.resnets = this.childList('resnets', [
      new ResnetBlock(channels, channels, makeNorm),
      new ResnetBlock(channels, channels, makeNorm),
    ]);
  }

  forward(clip: Tensor, state: ChunkState): Tensor {
    return inTurn(clip, ...this.resnets.map((resnet) => (x: Tensor) => resnet.forward(x, state)));
  }
}

/** One level: `numLayers` residual blocks, then possibly a change of size. */
export interface LevelOptions {
  inChannels: number;
  outChannels: number;
  numLayers: number;
  makeNorm: MakeNorm;
  /** whether the level ends by changing height and width */
  resample: boolean;
  /** whether it then changes the frame count too */
  compressTime: boolean;
}

abstract class Level extends Module {
  readonly resnets: ResnetBlock[];

  constructor({ inChannels, outChannels, numLayers, makeNorm }: LevelOptions) {
    super();
    const resnets = Array.from(
      { length: numLayers },
      (_, i) => new ResnetBlock(i === 0 ? inChannels : outChannels, outChannels, makeNorm),
    );
    this.resnets = this.childList('resnets', resnets);
  }

  protected abstract readonly resamplers: readonly { forward(clip: Tensor): Tensor }[];

  forward(clip: Tensor, state: ChunkState): Tensor {
    return inTurn(
      clip,
      ...this.resnets.map((resnet) => (x: Tensor) => resnet.forward(x, state)),
      ...this.resamplers.map((resampler) => (x: Tensor) => resampler.forward(x)),
    );
  }
}

/** A level of the encoder. */
export class DownBlock extends Level {
  protected readonly resamplers: Downsample[];

  constructor(options: LevelOptions) {
    super(options);
    const { resample, outChannels, compressTime } = options;
    const samplers = resample ? [new Downsample(outChannels, compressTime)] : [];
    this.resamplers = this.childList('downsamplers', samplers);
  }
}

/** A level of the decoder. */
export class UpBlock extends Level {
  protected readonly resamplers: Upsample[];

  constructor(options: LevelOptions) {
    super(options);
    const { resample, outChannels, compressTime } = options;
    const samplers = resample ? [new Upsample(outChannels, compressTime)] : [];
    this.resamplers = this.childList('upsamplers', samplers);
  }
}
