/**
 * The text encoder's `config.json` in its published spelling (transformers `T5EncoderModel`).
 * Keys that concern the decoder or training are read and preserved, but have no effect here.
 */
import { z } from 'zod';
import { checkConfig, count } from '../../check-config.js';
import { MOST_HEADS, MOST_LAYERS, MOST_VOCABULARY, MOST_WIDTH } from '../../limits.js';

const unused = 'preserved in the file; has no effect on the encoder';

/** Activations of the feed-forward layer, with or without a gate. */
const PROJECTIONS = ['relu', 'gelu', 'gelu_new', 'silu'] as const;
export type T5Activation = (typeof PROJECTIONS)[number];

export const T5Config = z
  .strictObject({
    vocab_size: count(MOST_VOCABULARY).default(32128),
    d_model: count(MOST_WIDTH).default(512).describe('width of the hidden states'),
    d_kv: count(4096).default(64).describe('width of a head'),
    d_ff: count(MOST_WIDTH).default(2048).describe('width inside the feed-forward layer'),
    num_layers: count(MOST_LAYERS).default(6),
    num_heads: count(MOST_HEADS).default(8),
    relative_attention_num_buckets: z
      .int()
      .min(4)
      .max(2 ** 16)
      .multipleOf(2)
      .default(32),
    relative_attention_max_distance: count(2 ** 24).default(128),
    layer_norm_epsilon: z.number().positive().default(1e-6),
    feed_forward_proj: z
      .enum([...PROJECTIONS, 'gated-relu', 'gated-gelu', 'gated-gelu_new', 'gated-silu'])
      .default('relu'),
    dense_act_fn: z.string().optional().describe('must agree with feed_forward_proj'),
    is_gated_act: z.boolean().optional().describe('must agree with feed_forward_proj'),
    initializer_factor: z.number().positive().default(1).describe('scale of initial parameters'),
    pad_token_id: z.int().nonnegative().default(0),
    eos_token_id: z.int().nonnegative().default(1),

    dropout_rate: z.number().min(0).max(1).default(0.1).describe(unused),
    classifier_dropout: z.number().optional().describe(unused),
    num_decoder_layers: z.int().nullable().optional().describe(unused),
    decoder_start_token_id: z.int().nullable().optional().describe(unused),
    is_encoder_decoder: z.boolean().optional().describe(unused),
    is_decoder: z.literal(false).optional(),
    use_cache: z.boolean().optional().describe(unused),
    tie_word_embeddings: z.boolean().optional().describe(unused),
    output_past: z.boolean().optional().describe(unused),
    n_positions: z.int().optional().describe(unused),
    task_specific_params: z.unknown().optional().describe(unused),
    gradient_checkpointing: z.boolean().optional().describe(unused),
    architectures: z.array(z.string()).nullable().optional().describe(unused),
    model_type: z.enum(['t5', 'mt5', 'umt5']).optional(),
    torch_dtype: z.string().nullable().optional().describe(unused),
    dtype: z.string().nullable().optional().describe(unused),
    transformers_version: z.string().nullable().optional().describe(unused),
    tokenizer_class: z.string().nullable().optional().describe(unused),
    _name_or_path: z.string().optional().describe(unused),
    _commit_hash: z.string().nullable().optional().describe(unused),
  })
  .superRefine((config, context) => {
    if (config.model_type === 'umt5') {
      const message = 'must not be umt5: its position bias in every layer is not implemented';
      context.addIssue({ code: 'custom', path: ['model_type'], message });
    }
    const { activation, gated } = feedForward(config);
    if (config.dense_act_fn !== undefined && config.dense_act_fn !== activation) {
      const message = `must be "${activation}" with feed_forward_proj "${config.feed_forward_proj}", got "${config.dense_act_fn}"`;
      context.addIssue({ code: 'custom', path: ['dense_act_fn'], message });
    }
    if (config.is_gated_act !== undefined && config.is_gated_act !== gated) {
      const message = `must be ${gated} with feed_forward_proj "${config.feed_forward_proj}", got ${config.is_gated_act}`;
      context.addIssue({ code: 'custom', path: ['is_gated_act'], message });
    }
  });
export type T5Config = z.infer<typeof T5Config>;

/** Interprets `feed_forward_proj`; "gated-gelu" means the tanh form, as in the reference. */
export function feedForward({ feed_forward_proj: name }: { feed_forward_proj: string }): {
  activation: T5Activation;
  gated: boolean;
} {
  const gated = name.startsWith('gated-');
  const activation = name.replace('gated-', '') as T5Activation;
  return { activation: gated && activation === 'gelu' ? 'gelu_new' : activation, gated };
}

/**
 * Checks a `config.json` and fills in the class's defaults.
 *
 * @throws InputError naming every key that is unknown or has an unsupported value
 */
export function parseT5Config(source: unknown, where = 't5 config'): T5Config {
  return checkConfig(T5Config, source, where);
}
