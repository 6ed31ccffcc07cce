/** The cost of one pass through the transformer, counted, not measured. */
import { conditionChannels, isFlowMap, type TransformerConfig } from './config.js';

export interface TransformerWork {
  /** samples times guidance branches */
  rows: number;
  /** tokens per sample */
  tokens: number;
  /** tokens per prompt */
  textTokens: number;
  /** tokens of each sample that skip the blocks from `first` to `last`; default: none do */
  skipping?: { tokens: number; first: number; last: number } | null;
}

/** Width of the timestep sinusoid. Source: reference implementation */
export const SINUSOID_WIDTH = 256;

/** The width D: heads times head width. */
export const widthOf = ({ num_attention_heads, attention_head_dim }: TransformerConfig): number =>
  num_attention_heads * attention_head_dim;

/** FLOPs of a block's matrix products, without the text's precomputed keys and values. */
export function blockFlops(
  config: TransformerConfig,
  { rows, tokens, textTokens }: TransformerWork,
): number {
  const d = widthOf(config);
  const products = rows * tokens * d * d * (4 + 2 + 8); // q k v o, q o, the two of the MLP
  return 2 * products + blockScoreFlops(config, { rows, tokens, textTokens });
}

/** The part of `blockFlops` that is attention: queries times keys, and weights times values. */
const blockScoreFlops = (
  config: TransformerConfig,
  { rows, tokens, textTokens }: TransformerWork,
): number => 2 * rows * tokens * (tokens + textTokens) * widthOf(config) * 2;

/** The tokens of a sample that each block works on. */
export function tokensByBlock(
  { num_layers }: TransformerConfig,
  { tokens, skipping }: Pick<TransformerWork, 'tokens' | 'skipping'>,
): number[] {
  return Array.from({ length: num_layers }, (_, i) =>
    skipping && i >= skipping.first && i <= skipping.last ? tokens - skipping.tokens : tokens,
  );
}

/** FLOPs of a whole pass: blocks, patch embedding and output layer. */
export function passFlops(config: TransformerConfig, work: TransformerWork): number {
  const d = widthOf(config);
  const patch = config.patch_size ** 2;
  const out = config.out_channels ?? config.in_channels;
  const ends = work.rows * work.tokens * d * patch * (config.in_channels + out);
  return overBlocks(config, work, blockFlops) + 2 * ends;
}

/** The part of `passFlops` that is attention. */
export const scoreFlops = (config: TransformerConfig, work: TransformerWork): number =>
  overBlocks(config, work, blockScoreFlops);

const overBlocks = (
  config: TransformerConfig,
  work: TransformerWork,
  flops: typeof blockFlops,
): number =>
  tokensByBlock(config, work).reduce((sum, tokens) => sum + flops(config, { ...work, tokens }), 0);

/** FLOPs of the keys and values of a prompt's tokens, in all blocks. */
export function textFlops(config: TransformerConfig, textTokens: number): number {
  const { cross_attention_dim: widths, num_layers } = config;
  const width = typeof widths === 'number' ? widths : (widths[0] + widths[1]) / 2;
  return num_layers * 2 * textTokens * width * widthOf(config) * 2;
}

/** FLOPs for a sample's time: its embedding, and the modulation of blocks and output. */
export function timeFlops(config: TransformerConfig): number {
  const d = widthOf(config);
  const embedders = 1 + (config.add_motion_score ? 1 : 0) + (isFlowMap(config) ? 1 : 0);
  const embeddings = embedders * d * (SINUSOID_WIDTH + d);
  return 2 * (embeddings + config.num_layers * 6 * d * d + 2 * d * d);
}

/** FLOPs of the condition adapter, which runs once per clip; sizes in pixels. */
export function adapterFlops(
  config: TransformerConfig,
  { frames, height, width }: { frames: number; height: number; width: number },
): number {
  const d = widthOf(config);
  const widths = config.cond_block_out_channels;
  let [f, area, from] = [frames, height * width, conditionChannels(config)];
  let sum = f * area * 9 * from * widths[0]!;
  from = widths[0]!;
  widths.slice(1).forEach((to, i) => {
    sum += f * area * 9 * from * from;
    area /= 4;
    const volume = i % 2 === 0;
    if (volume) f = Math.ceil(f / 2);
    sum += f * area * (volume ? 27 : 9) * from * to;
    from = to;
  });
  return 2 * (sum + f * area * 9 * from * d);
}

/** Frames times pixels that the adapter's first stage processes at once. Measured */
export const STAGE_PIXELS = 2 ** 23;

/**
 * Tokens that the MLP, whose inner layer is four times as wide, takes at once without gradients.
 */
export const MLP_ROWS = 4096;

/**
 * Memory of a pass without gradients, beyond weights and prepared text: the activations of the
 * model's width that are alive at the same time, the MLP's wide layer and the condition.
 */
export function passBytes(
  config: TransformerConfig,
  { rows, tokens }: TransformerWork,
  bytesPerElement: number,
): number {
  const d = widthOf(config);
  const inBlock = rows * tokens * 12;
  const inMlp = Math.min(rows * tokens, MLP_ROWS) * (2 * 4);
  return (inBlock + inMlp) * d * bytesPerElement;
}

/** Memory of the text's keys and values in all blocks. */
export function textBytes(
  config: TransformerConfig,
  { rows, textTokens }: TransformerWork,
  bytesPerElement: number,
): number {
  const d = widthOf(config);
  return config.num_layers * rows * textTokens * 2 * d * bytesPerElement;
}
