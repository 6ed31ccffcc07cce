/** The released transformers on a device, with weights that keep activations finite. */
import {
  TRANSFORMER_PRESETS,
  Transformer3D,
  type TransformerConfig,
} from '../../src/models/transformer/index.js';
import { withParameters } from '../../src/nn/index.js';
import { type DType, noGrad, randn, type Tensor, tidy } from '../../src/tensor/index.js';
import type { Context } from './context.js';

export type Preset = 'mfm-2b' | 'mfm-8b';

/** Its configuration; in a try of the script, one block of the small model. */
export function configOf(preset: Preset, { small }: Pick<Context, 'small'>): TransformerConfig {
  const config = TRANSFORMER_PRESETS[preset];
  if (!small) return config;
  return {
    ...config,
    num_layers: 1,
    num_attention_heads: 2,
    cond_block_out_channels: [4, 4, 8, 8, 8],
  };
}

/**
 * Built on the device, where all matrices are parts of the same random values: drawing billions on the CPU
 * would take minutes.
 */
export function randomTransformer(config: TransformerConfig, device: string): Transformer3D {
  const dtype: DType = 'bfloat16';
  const model = withParameters({ dtype, device, init: 'empty' }, () => new Transformer3D(config));
  noGrad(() =>
    tidy(() => {
      const values = randn([2 ** 20])
        .to(dtype)
        .to(device);
      for (const [name, parameter] of model.namedParameters()) {
        if (parameter.ndim === 1) parameter.fill_(name.endsWith('bias') ? 0 : 1);
        else fill(parameter, values);
      }
    }),
  );
  return model;
}

/** A matrix that preserves the scale of its input, from values that repeat. */
function fill(parameter: Tensor, values: Tensor): void {
  const fanIn = parameter.numel / parameter.size(0);
  const flat = parameter.detach().view([parameter.numel]);
  tidy(() => {
    for (let from = 0; from < flat.numel; from += values.numel) {
      const count = Math.min(values.numel, flat.numel - from);
      flat.narrow(0, from, count).copy_(values.narrow(0, 0, count));
    }
    flat.mul_(fanIn ** -0.5);
  });
}

/** Random inputs of a pass: `rows` samples of a size, with prompts of 77 tokens. */
export function passInputs(
  config: TransformerConfig,
  {
    rows,
    numFrames,
    height,
    width,
  }: { rows: number; numFrames: number; height: number; width: number },
  device: string,
) {
  const drawn = (shape: number[]) => randn(shape).to('bfloat16').to(device);
  const textWidth = config.cross_attention_dim;
  const frames = Math.ceil((numFrames - 1) / 4) + 1;
  return {
    latents: drawn([rows, config.in_channels, frames, height / 8, width / 8]),
    timesteps: randn([rows]).abs().mul(300).to(device),
    motionScores: randn([rows]).abs().to(device),
    text: drawn([rows, TEXT, typeof textWidth === 'number' ? textWidth : textWidth[0]!]),
    pixels: drawn([rows, config.use_depth_cond ? 4 : 3, numFrames, height, width]),
    mask: drawn([rows, 1, numFrames, height, width]).gt(0).to('bfloat16'),
  };
}

/** Tokens of a prompt. */
export const TEXT = 77;
