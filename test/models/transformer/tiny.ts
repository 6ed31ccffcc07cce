/** A tiny random transformer and inputs for it, shared by the tests of this folder. */
import {
  parseTransformerConfig,
  Transformer3D,
  type TransformerConfig,
} from '../../../src/models/transformer/index.js';
import { Generator, manualSeed, rand, randn, type Tensor } from '../../../src/tensor/index.js';

export function tinyConfig(changes: Record<string, unknown> = {}): TransformerConfig {
  return parseTransformerConfig({
    num_attention_heads: 2,
    attention_head_dim: 16,
    num_layers: 2,
    in_channels: 4,
    cross_attention_dim: 12,
    attention_bias: true,
    adaln_norm_type: 'rmsnorm',
    norm_type: 'ada_norm_zero',
    activation_fn: 'gelu-approximate',
    add_motion_score: true,
    use_depth_cond: true,
    use_rope: true,
    cond_block_out_channels: [2, 3, 4, 4, 5],
    ...changes,
  });
}

export function tinyModel(changes: Record<string, unknown> = {}): Transformer3D {
  manualSeed(0);
  return new Transformer3D(tinyConfig(changes));
}

export function tinyInputs(seed = 1) {
  const generator = new Generator(seed);
  return {
    latents: randn([2, 4, 2, 4, 6], { generator }),
    timesteps: rand([2], { generator }).mul(1000),
    motionScores: rand([2], { generator }).mul(10),
    text: randn([2, 5, 12], { generator }),
    pixels: rand([2, 4, 5, 32, 48], { generator }).mul(2).sub(1),
    mask: rand([2, 1, 5, 32, 48], { generator }).round(),
  };
}

export function maxDifference(a: Tensor, b: Tensor): number {
  return a.to('float32').sub(b.to('float32')).abs().amax().item();
}
