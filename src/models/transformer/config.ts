/**
 * The transformer's `config.json`, key by key as the reference implementation writes it. A value
 * that would change the result in a way not implemented here is refused by name; keys without
 * effect on the network (how it was trained or launched) are read and preserved.
 */
import { z } from 'zod';
import { checkConfig, count } from '../../check-config.js';
import { MOST_HEADS, MOST_LAYERS, MOST_WIDTH } from '../../limits.js';

const noEffect = 'preserved in the file; has no effect on the network';

export const TransformerConfig = z
  .strictObject({
    _class_name: z.literal('Transformer3DModel').default('Transformer3DModel'),
    _diffusers_version: z.string().default('0.33.1').describe(noEffect),
    _name_or_path: z.string().optional().describe(noEffect),

    num_attention_heads: count(MOST_HEADS).default(16).describe('attention heads'),
    attention_head_dim: count(4096).default(88).describe('width of one head'),
    num_layers: count(MOST_LAYERS).default(1).describe('transformer blocks'),
    in_channels: count(MOST_WIDTH).describe('latent channels'),
    out_channels: count(MOST_WIDTH)
      .nullable()
      .default(null)
      .describe('channels of the output; null means in_channels'),
    patch_size: count(256).default(2).describe('side of a token, in latent pixels'),
    patch_size_t: z.literal(1, 'must be 1: tokens span one latent frame').default(1),
    cross_attention_dim: z
      .union([count(MOST_WIDTH), z.tuple([count(MOST_WIDTH), count(MOST_WIDTH)])])
      .describe('width of the text encoder; the blocks alternate between the values of a pair'),
    attention_bias: z.boolean().default(false).describe('biases in the attention projections'),
    adaln_norm_type: z
      .enum(['legacy', 'layernorm', 'rmsnorm'])
      .default('legacy')
      .describe('norm before self-attention; legacy means layernorm'),
    add_motion_score: z
      .boolean()
      .default(false)
      .describe('a second embedder, for the motion score'),
    // the name that the field's flow maps have for it; absent in files of other models
    deltatime_type: z
      .enum(['r', 't-r'])
      .optional()
      .describe(
        'a flow map: one more embedder, for the time at the end of a step (r) or the length of the step (t-r)',
      ),
    use_depth_cond: z.boolean().default(false).describe('a depth channel in the condition'),
    use_rope: z.boolean().default(false).describe('rotary position embedding'),
    upcast_attention: z.boolean().default(false).describe('attention in float32'),
    num_block_chunks: count(MOST_LAYERS)
      .default(1)
      .describe('groups of blocks; above 1, parameter names have one more level'),
    cond_block_out_channels: z
      .array(count(MOST_WIDTH))
      .length(5)
      .default([16, 32, 96, 256, 512])
      .describe("widths of the condition adapter (ours; the reference's are fixed)"),

    activation_fn: z.literal('gelu-approximate').describe('activation of the feed-forward'),
    norm_type: z.enum(['ada_norm_zero', 'ada_norm_zero_nolabel']),
    condition_type: z.literal('inpaint_mask').default('inpaint_mask'),
    attention_type: z.literal('default').default('default'),
    only_cross_attention: z.literal(false).default(false),
    double_self_attention: z.literal(false).default(false),
    dropout: z.number().min(0).lt(1).default(0).describe('attention dropout while training'),

    sample_size: z.int().positive().nullable().default(null).describe(noEffect),
    num_latent_frames: z.int().nonnegative().default(0).describe(noEffect),
    norm_num_groups: z.int().default(32).describe(noEffect),
    norm_elementwise_affine: z.boolean().default(true).describe(noEffect),
    norm_eps: z.number().default(1e-5).describe(noEffect),
    num_embeds_ada_norm: z.int().nullable().default(null).describe(noEffect),
    cond_channels: z.int().nullable().default(null).describe(noEffect),
    sequence_parallel_size: z.int().nonnegative().nullable().default(1).describe(noEffect),
    gradient_checkpointing: z.string().nullable().default(null).describe(noEffect),
    use_navit: z.boolean().default(false).describe(noEffect),
    enable_cached_compile: z.boolean().default(false).describe(noEffect),
    compile_mem_gc_threshold: z.number().default(-1).describe(noEffect),
  })
  .refine((c) => !c.use_rope || c.attention_head_dim % 16 === 0, {
    path: ['attention_head_dim'],
    error: 'must be a multiple of 16 with use_rope: it is divided into 2/8, 3/8 and 3/8, in pairs',
  })
  .refine((c) => c.num_layers % c.num_block_chunks === 0, {
    path: ['num_block_chunks'],
    error: 'must divide num_layers',
  });
export type TransformerConfig = z.infer<typeof TransformerConfig>;

/**
 * Checks a `config.json` and fills in the reference's defaults.
 *
 * @throws InputError naming every key that is unknown or has an unsupported value
 */
export function parseTransformerConfig(
  source: unknown,
  where = 'transformer config',
): TransformerConfig {
  return checkConfig(TransformerConfig, source, where);
}

/**
 * Does the network predict the average velocity over a step, not the velocity at its beginning? It
 * then samples with any number of steps.
 *
 * Source: Gu et al. 2026, AnyFlow, arXiv 2605.13724
 */
export const isFlowMap = (config: TransformerConfig): boolean =>
  config.deltatime_type !== undefined;

/** Channels of the condition: 3 for pixels, 1 for depth if used, 1 for the mask. */
export function conditionChannels(config: TransformerConfig): number {
  return config.use_depth_cond ? 5 : 4;
}

/** Shared by the published sizes. Source: the paper's table 7 and the reference implementation */
const published = {
  attention_head_dim: 64,
  in_channels: 16,
  out_channels: 16,
  sample_size: 64,
  cross_attention_dim: 2048,
  attention_bias: true,
  adaln_norm_type: 'rmsnorm',
  norm_type: 'ada_norm_zero',
  activation_fn: 'gelu-approximate',
  num_embeds_ada_norm: 1000,
  add_motion_score: true,
  use_depth_cond: true,
  use_rope: true,
} as const;

/** Complete configurations by name; a pipeline folder's own `config.json` takes precedence. */
export const TRANSFORMER_PRESETS = {
  'mfm-2b': TransformerConfig.parse({ ...published, num_layers: 28, num_attention_heads: 28 }),
  'mfm-8b': TransformerConfig.parse({ ...published, num_layers: 40, num_attention_heads: 48 }),
  // ours: about 12M parameters, trainable on two CPU cores
  'mfm-mini': TransformerConfig.parse({
    ...published,
    num_layers: 8,
    num_attention_heads: 4,
    cross_attention_dim: 128,
    sample_size: 8,
    cond_block_out_channels: [8, 16, 32, 64, 128],
  }),
} satisfies Record<string, TransformerConfig>;
export type TransformerPreset = keyof typeof TRANSFORMER_PRESETS;
