/** Names and shapes of the transformer's parameters, derived from its configuration alone. */
import type { LoraConfig } from '../../nn/lora-config.js';
import { choose, endsWithName } from '../../nn/patterns.js';
import { conditionChannels, isFlowMap, type TransformerConfig } from './config.js';
import { SINUSOID_WIDTH, widthOf } from './cost.js';

/** A block's name in checkpoints; models with block chunks have one more level in it. */
export function blockName(index: number, config: TransformerConfig): string {
  const perChunk = config.num_layers / config.num_block_chunks;
  if (config.num_block_chunks === 1) return `transformer_blocks.${index}`;
  return `transformer_blocks.${Math.floor(index / perChunk)}.module.${index % perChunk}`;
}

/** Parameter shapes by their names in checkpoints: those of `Transformer3D`, in its order. */
export function parameterShapes(config: TransformerConfig): Map<string, number[]> {
  const d = widthOf(config);
  const { in_channels: channels, patch_size: patch, cross_attention_dim } = config;
  const shapes = new Map<string, number[]>();
  const add = (name: string, from: number, to: number, kernel: number[] = [], bias = true) => {
    shapes.set(`${name}.weight`, [to, from, ...kernel]);
    if (bias) shapes.set(`${name}.bias`, [to]);
  };
  const norm = (name: string) => shapes.set(`${name}.weight`, [d]);

  const [square, cube] = [
    [3, 3],
    [3, 3, 3],
  ];
  const widths = config.cond_block_out_channels;
  add('cond_conv.conv_in', conditionChannels(config), widths[0]!, square);
  widths.slice(1).forEach((to, i) => {
    const from = widths[i]!;
    add(`cond_conv.blocks.${2 * i}`, from, from, square);
    add(`cond_conv.blocks.${2 * i + 1}`, from, to, i % 2 === 0 ? cube : square);
  });
  add('cond_conv.conv_out', widths.at(-1)!, d, square);

  add('pos_embed.proj', channels, d, [patch, patch]);
  const embedded = [
    'timestep',
    ...(config.add_motion_score ? ['guidance'] : []),
    ...(isFlowMap(config) ? ['delta'] : []),
  ];
  for (const name of embedded) {
    add(`time_embedder.${name}_embedder.linear_1`, SINUSOID_WIDTH, d);
    add(`time_embedder.${name}_embedder.linear_2`, d, d);
  }

  const textWidths =
    typeof cross_attention_dim === 'number' ? [cross_attention_dim] : cross_attention_dim;
  for (let i = 0; i < config.num_layers; i++) {
    const block = blockName(i, config);
    const attention = (name: string, source: number) => {
      for (const [projection, from] of Object.entries({ q: d, k: source, v: source, o: d })) {
        add(`${block}.${name}.${projection}_proj`, from, d, [], config.attention_bias);
      }
      norm(`${block}.${name}.q_norm`);
      norm(`${block}.${name}.k_norm`);
    };
    add(`${block}.norm1.linear`, d, 6 * d);
    if (config.adaln_norm_type === 'rmsnorm') norm(`${block}.norm1.norm`);
    attention('attn1', d);
    norm(`${block}.norm2`);
    attention('attn2', textWidths[i % textWidths.length]!);
    norm(`${block}.norm3`);
    add(`${block}.ff.fc1`, d, 4 * d);
    add(`${block}.ff.fc2`, 4 * d, d);
  }
  add('proj_out_1', d, 2 * d);
  add('proj_out_2', d, patch * patch * (config.out_channels ?? channels));
  return shapes;
}

/** The names of the blocks' matrices. */
export const hiddenMatrices = (config: TransformerConfig): string[] =>
  [...parameterShapes(config)]
    .filter(([name, shape]) => name.startsWith('transformer_blocks.') && shape.length === 2)
    .map(([name]) => name);

/**
 * The names of the matrices whose inputs grow with the model's width: all but those that read
 * latents, sinusoids, conditions and text.
 */
export const matricesOfWidth = (config: TransformerConfig): string[] =>
  [...parameterShapes(config)]
    .filter(([name, shape]) => shape.length === 2 && !/linear_1|attn2\.[kv]_proj/.test(name))
    .map(([name]) => name);

/** The number of elements of each parameter, by name. */
export function parameterElements(config: TransformerConfig): Map<string, number> {
  const elements = (shape: number[]) => shape.reduce((product, side) => product * side, 1);
  return new Map([...parameterShapes(config)].map(([name, shape]) => [name, elements(shape)]));
}

/** The number of elements of each parameter, by the part of the network that it belongs to. */
export function parameterSizes(
  config: TransformerConfig,
): Record<'adapter' | 'blocks' | 'others', number[]> {
  const sizes = { adapter: [] as number[], blocks: [] as number[], others: [] as number[] };
  for (const [name, size] of parameterElements(config)) {
    const part = name.startsWith('cond_conv.')
      ? 'adapter'
      : name.startsWith('transformer_blocks.')
        ? 'blocks'
        : 'others';
    sizes[part].push(size);
  }
  return sizes;
}

/**
 * The number of elements of the LoRA matrices of a network, two per adapted linear layer, by name.
 *
 * @throws InputError naming a target that matches no linear layer
 */
export function lowRankElements(
  config: TransformerConfig,
  { rank, targets }: Pick<LoraConfig, 'rank' | 'targets'>,
): Map<string, number> {
  return new Map(
    [...lowRankTargets(config, targets)].flatMap(([name, [to, from]]): [string, number][] => {
      return [
        [`${name}.lora_A.weight`, rank * from],
        [`${name}.lora_B.weight`, rank * to],
      ];
    }),
  );
}

/**
 * The linear layers to adapt by LoRA, by name, each with its shape [to, from].
 * @throws InputError naming a target that matches no linear layer
 */
export function lowRankTargets(
  config: TransformerConfig,
  targets: readonly string[],
): Map<string, [number, number]> {
  const layers = new Map<string, [number, number]>();
  for (const [name, shape] of parameterShapes(config)) {
    if (shape.length !== 2) continue;
    layers.set(name.replace(/\.weight$/, ''), shape as [number, number]);
  }
  const chosen = choose([...layers.keys()], targets, {
    where: 'lora.targets',
    kind: 'linear layer',
    plain: endsWithName,
  });
  return new Map([...layers].filter(([name]) => chosen.has(name)));
}
