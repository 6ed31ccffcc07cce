/**
 * The autoencoder's `config.json`, in the published spelling (diffusers `AutoencoderKLCogVideoX`),
 * so that it can be written back as it was read. Values that the code does not support are refused.
 */
import { z } from 'zod';
import { checkConfig, count } from '../../check-config.js';
import { MOST_SIDE, MOST_WIDTH } from '../../limits.js';

const off = (key: string) =>
  z.literal(false, { error: `${key} must be false: the ${key} layer is not implemented` });

export const AutoencoderConfig = z
  .strictObject({
    _class_name: z.literal('AutoencoderKLCogVideoX').default('AutoencoderKLCogVideoX'),
    _diffusers_version: z.string().optional(),
    _name_or_path: z.string().optional(),
    in_channels: count(64).default(3).describe('channels of an input picture'),
    out_channels: count(64).default(3).describe('channels of a decoded picture'),
    down_block_types: z.array(z.literal('CogVideoXDownBlock3D')).min(1).optional(),
    up_block_types: z.array(z.literal('CogVideoXUpBlock3D')).min(1).optional(),
    block_out_channels: z
      .array(count(MOST_WIDTH))
      .min(1)
      .max(12, 'must have at most 12 levels')
      .default([128, 256, 256, 512])
      .describe('widths of the levels; every level but the last halves height and width'),
    latent_channels: count(4096).default(16).describe('channels of a latent'),
    layers_per_block: count(64)
      .default(3)
      .describe('residual blocks per level in the encoder; the decoder has one more'),
    act_fn: z.enum(['silu', 'swish']).default('silu'),
    norm_eps: z.number().positive().default(1e-6).describe("the encoder's; the decoder's is 1e-6"),
    norm_num_groups: count(MOST_WIDTH).default(32),
    temporal_compression_ratio: z
      .number()
      .min(1)
      .max(1024)
      .default(4)
      .describe('frames per latent frame; log2 of it is the number of levels that halve time'),
    sample_height: count(MOST_SIDE).default(480).describe('default tiles are half as high'),
    sample_width: count(MOST_SIDE).default(720).describe('default tiles are half as wide'),
    scaling_factor: z.number().positive().default(1.15258426).describe('for the pipeline'),
    shift_factor: z.number().nullable().default(null).describe('for the pipeline'),
    latents_mean: z.array(z.number()).nullable().default(null).describe('for the pipeline'),
    latents_std: z.array(z.number()).nullable().default(null).describe('for the pipeline'),
    force_upcast: z.boolean().default(true).describe('ignored, as in the reference'),
    use_quant_conv: off('use_quant_conv').default(false),
    use_post_quant_conv: off('use_post_quant_conv').default(false),
    invert_scale_latents: z.boolean().default(false).describe('for the pipeline'),
  })
  .superRefine((config, context) => {
    const levels = config.block_out_channels.length;
    for (const key of ['down_block_types', 'up_block_types'] as const) {
      const types = config[key];
      if (types && types.length !== levels) {
        const message = `must have as many entries as block_out_channels (${levels}), got ${types.length}`;
        context.addIssue({ code: 'custom', path: [key], message });
      }
    }
    for (const [i, width] of config.block_out_channels.entries()) {
      if (width % config.norm_num_groups !== 0) {
        const message = `must be a multiple of norm_num_groups (${config.norm_num_groups}), got ${width}`;
        context.addIssue({ code: 'custom', path: ['block_out_channels', i], message });
      }
    }
  });
export type AutoencoderConfig = z.infer<typeof AutoencoderConfig>;

/**
 * Checks a `config.json` and fills in the class's defaults.
 *
 * @throws InputError naming every key that is unknown or has an unsupported value
 */
export function parseAutoencoderConfig(
  source: unknown,
  where = 'autoencoder config',
): AutoencoderConfig {
  return checkConfig(AutoencoderConfig, source, where);
}

/** The number of levels that halve the frame count. */
export function temporalLevels(config: AutoencoderConfig): number {
  return Math.trunc(Math.log2(config.temporal_compression_ratio));
}

/** Side of a latent pixel, in pixels. */
export function spatialCompression({ block_out_channels }: AutoencoderConfig): number {
  return 2 ** (block_out_channels.length - 1);
}
