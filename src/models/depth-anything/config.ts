/**
 * The depth model's `config.json` in its published spelling (transformers
 * `DepthAnythingForDepthEstimation` with a `Dinov2Backbone` inside).
 */
import { z } from 'zod';
import { checkConfig, count } from '../../check-config.js';
import { MOST_HEADS, MOST_LAYERS, MOST_SIDE, MOST_WIDTH } from '../../limits.js';
import type { Activation } from '../../nn/index.js';

const unused = 'preserved in the file; has no effect on the network';

/** Keys that transformers writes into every configuration; none affects the network. */
const common = Object.fromEntries(
  [
    ...['architectures', 'torch_dtype', 'dtype', 'transformers_version', 'problem_type'],
    ...['_name_or_path', '_commit_hash', '_attn_implementation', '_attn_implementation_autoset'],
    ...['id2label', 'label2id', 'num_labels', 'task_specific_params', 'finetuning_task'],
    ...['output_attentions', 'output_hidden_states', 'return_dict', 'use_return_dict'],
    ...['torchscript', 'use_bfloat16', 'tf_legacy_loss', 'chunk_size_feed_forward'],
    ...['tie_word_embeddings', 'tie_encoder_decoder', 'is_encoder_decoder', 'is_decoder'],
    ...['add_cross_attention', 'cross_attention_hidden_size', 'decoder_start_token_id'],
    ...['tokenizer_class', 'prefix', 'bos_token_id', 'pad_token_id', 'eos_token_id'],
    ...['sep_token_id', 'bad_words_ids', 'begin_suppress_tokens', 'suppress_tokens'],
    ...['forced_bos_token_id', 'forced_eos_token_id', 'remove_invalid_values'],
    ...['max_length', 'min_length', 'do_sample', 'early_stopping', 'num_beams'],
    ...['num_beam_groups', 'diversity_penalty', 'temperature', 'top_k', 'top_p', 'typical_p'],
    ...['repetition_penalty', 'length_penalty', 'exponential_decay_length_penalty'],
    ...['no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'num_return_sequences'],
    ...['output_scores', 'return_dict_in_generate'],
  ].map((key) => [key, z.unknown().optional().describe(unused)]),
) as Record<never, z.ZodType>; // otherwise every key of the whole would have type unknown

const empty = (what: string) =>
  z.record(z.string(), z.unknown()).refine((value) => Object.keys(value).length === 0, {
    error: `must be empty: ${what} is not implemented`,
  });

/** Activations allowed in the feed-forward layer of a block. */
const HIDDEN_ACTIVATIONS = [
  ...(['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'quick_gelu'] as const),
  ...(['relu', 'silu', 'swish', 'selu'] as const),
] satisfies Activation[];

export const Dinov2Config = z
  .strictObject({
    ...common,
    model_type: z.literal('dinov2', 'must be "dinov2": no other backbone is implemented'),
    hidden_size: count(MOST_WIDTH).default(768).describe('width of the tokens'),
    num_hidden_layers: count(MOST_LAYERS).default(12),
    num_attention_heads: count(MOST_HEADS).default(12),
    mlp_ratio: z
      .number()
      .positive()
      .max(64)
      .default(4)
      .describe('feed-forward width / hidden_size'),
    hidden_act: z.enum(HIDDEN_ACTIVATIONS).default('gelu'),
    use_swiglu_ffn: z.boolean().default(false).describe('SwiGLU feed-forward, two thirds as wide'),
    qkv_bias: z.boolean().default(true).describe('biases of queries, keys and values'),
    layer_norm_eps: z.number().positive().default(1e-6),
    image_size: z
      .union([count(MOST_SIDE), z.tuple([count(MOST_SIDE), count(MOST_SIDE)])])
      .default(224)
      .describe('training size, a side or [height, width]; determines the number of positions'),
    patch_size: count(1024).default(14),
    num_channels: z.literal(3, 'must be 3: pictures are RGB').default(3),
    use_mask_token: z.boolean().default(true).describe('a parameter used only in training'),
    layerscale_value: z.number().default(1).describe('initial value of the layer scale'),
    initializer_range: z.number().positive().default(0.02).describe(unused),
    out_indices: z
      .array(z.int())
      .min(1)
      .nullish()
      .describe('stages passed to the neck: k is the output of block k, 0 the embeddings'),
    out_features: z
      .array(z.string())
      .min(1)
      .nullish()
      .describe('the same stages by name: "stem", "stage1", …'),
    apply_layernorm: z
      .boolean()
      .default(true)
      .describe('layer norm on every stage that is passed to the neck'),
    reshape_hidden_states: z
      .boolean()
      .default(true)
      .describe('stages as maps [B, D, H, W] instead of tokens; the result is the same'),
    pruned_heads: empty('pruning').optional(),
    hidden_dropout_prob: z.number().min(0).max(1).default(0).describe(unused),
    attention_probs_dropout_prob: z.number().min(0).max(1).default(0).describe(unused),
    drop_path_rate: z.number().min(0).max(1).default(0).describe(unused),
    stage_names: z.array(z.string()).optional().describe(unused),
  })
  .superRefine((config, context) => {
    const issue = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (config.hidden_size % config.num_attention_heads !== 0) {
      issue('num_attention_heads', `must divide hidden_size ${config.hidden_size}`);
    }
    if (!Number.isInteger(Math.sqrt(numPositions(config)))) {
      issue(
        'image_size',
        `must give a square number of patches for the positions, got ${numPositions(config)}`,
      );
    }
    const problem = stagesProblem(config);
    if (problem) issue(...problem);
  });
export type Dinov2Config = z.infer<typeof Dinov2Config>;

type Stages = Pick<Dinov2Config, 'num_hidden_layers' | 'out_indices' | 'out_features'>;

/** The number of patches in a picture of the training size. */
export function numPositions({
  image_size: size,
  patch_size: patch,
}: Pick<Dinov2Config, 'image_size' | 'patch_size'>): number {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  return Math.floor(height / patch) * Math.floor(width / patch);
}

/** The stages passed to the neck, as configured; the last one if the file names none. */
export function outStages({
  num_hidden_layers: last,
  out_indices,
  out_features,
}: Stages): number[] {
  // negative ones count from the end
  if (out_indices) return out_indices.map((index) => (index < 0 ? index + last + 1 : index));
  return out_features?.map(stageOfName) ?? [last];
}

/** "stem" is 0, "stage3" is 3, anything else −1 */
function stageOfName(name: string): number {
  const match = /^stage([1-9]\d*)$/.exec(name);
  return name === 'stem' ? 0 : match ? Number(match[1]) : -1;
}

function stagesProblem(config: Stages): [key: string, message: string] | null {
  const { num_hidden_layers: last, out_indices, out_features } = config;
  const key = out_indices ? 'out_indices' : 'out_features';
  const stages = outStages(config);
  const got = `got ${JSON.stringify(config[key])}`;
  if (stages.some((stage) => stage < 0 || stage > last)) {
    return [key, `must name stages 0 ("stem") to ${last} ("stage${last}"), ${got}`];
  }
  if (stages.some((stage, i) => i > 0 && stage <= stages[i - 1]!)) {
    return [key, `must be in increasing order, ${got}`];
  }
  if (out_indices && out_features && out_features.map(stageOfName).join() !== stages.join()) {
    return ['out_features', `must name the stages of out_indices ${JSON.stringify(out_indices)}`];
  }
  return null;
}

// the class's default if the file has no backbone
const DEFAULT_BACKBONE = {
  model_type: 'dinov2',
  image_size: 518,
  hidden_size: 384,
  num_attention_heads: 6,
  out_indices: [9, 10, 11, 12],
  reshape_hidden_states: false,
} as const;

/** Maps are enlarged by a transposed convolution above 1, reduced by a strided one below 1. */
const ReassembleFactor = z
  .number()
  .positive()
  .max(64)
  .refine((factor) => factor <= 1 || Number.isInteger(factor), {
    error: 'must be a whole number, or below 1',
  });

export const DepthAnythingConfig = z
  .strictObject({
    ...common,
    model_type: z.literal('depth_anything').default('depth_anything'),
    backbone_config: Dinov2Config.nullish().transform(
      (backbone) => backbone ?? Dinov2Config.parse(DEFAULT_BACKBONE),
    ),
    patch_size: count(1024).default(14).describe("must equal the backbone's"),
    reassemble_hidden_size: count(MOST_WIDTH)
      .default(384)
      .describe("must equal the backbone's hidden_size"),
    reassemble_factors: z
      .array(ReassembleFactor)
      .default([4, 2, 1, 0.5])
      .describe('resolution of every stage in the neck, in pixels per patch'),
    neck_hidden_sizes: z
      .array(count(MOST_WIDTH))
      .min(1)
      .default([48, 96, 192, 384])
      .describe('channels of every stage in the neck'),
    fusion_hidden_size: count(MOST_WIDTH).min(2).default(64).describe('channels of the fused maps'),
    head_in_index: z.int().default(-1).describe('which fused map the head reads'),
    head_hidden_size: count(MOST_WIDTH).default(32),
    depth_estimation_type: z
      .enum(['relative', 'metric'])
      .default('relative')
      .describe('relative: 0 or more, larger is nearer; metric: a distance from 0 to max_depth'),
    max_depth: z
      .number()
      .nonnegative()
      .nullish()
      .describe('multiplies the result; 0 and null mean 1'),

    backbone: z.null('must be null: only backbone_config is read').optional(),
    backbone_kwargs: empty('a backbone by name').nullish(),
    use_timm_backbone: z.literal(false, 'must be false: only backbone_config is read').nullish(),
    use_pretrained_backbone: z
      .literal(false, 'must be false: the weights are loaded from the folder')
      .nullish(),
    initializer_range: z.number().positive().default(0.02).describe(unused),
  })
  .superRefine((config, context) => {
    const { backbone_config: backbone, neck_hidden_sizes: sizes } = config;
    const issue = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (config.patch_size !== backbone.patch_size) {
      issue('patch_size', `must be the backbone's ${backbone.patch_size}`);
    }
    if (config.reassemble_hidden_size !== backbone.hidden_size) {
      issue('reassemble_hidden_size', `must be the backbone's hidden_size ${backbone.hidden_size}`);
    }
    const stages = outStages(backbone);
    if (sizes.length !== stages.length) {
      issue(
        'neck_hidden_sizes',
        `must have an entry for each of the backbone's ${stages.length} stages`,
      );
    }
    if (config.reassemble_factors.length !== sizes.length) {
      issue('reassemble_factors', `must have ${sizes.length} entries, like neck_hidden_sizes`);
    }
    if (config.head_in_index < -sizes.length || config.head_in_index >= sizes.length) {
      issue('head_in_index', `must be from -${sizes.length} to ${sizes.length - 1}`);
    }
  });
export type DepthAnythingConfig = z.infer<typeof DepthAnythingConfig>;

/**
 * Checks a `config.json` and fills in the class's defaults.
 *
 * @throws InputError naming every key that is unknown or has an unsupported value
 */
export function parseDepthAnythingConfig(
  source: unknown,
  where = 'depth config',
): DepthAnythingConfig {
  return checkConfig(DepthAnythingConfig, source, where);
}

/** Complete configurations by name. Source: the published models' config.json */
export const DEPTH_ANYTHING_PRESETS = {
  'depth-anything-v2-small': DepthAnythingConfig.parse({
    backbone_config: { ...DEFAULT_BACKBONE, out_indices: [3, 6, 9, 12] },
  }),
} satisfies Record<string, DepthAnythingConfig>;
