/**
 * One transformer block at the 2B model's width, batch 2, 4400 tokens each, 77 text tokens, bf16,
 * without gradients: its speed as a share of the fastest matrix product in the same run, and its
 * peak memory.
 */
import { TRANSFORMER_PRESETS } from '../src/models/transformer/config.js';
import { blockFlops } from '../src/models/transformer/cost.js';
import { ropeEmbedding, ropeTable, Transformer3D } from '../src/models/transformer/index.js';
import { withParameters } from '../src/nn/index.js';
import {
  memoryInfo,
  noGrad,
  randn,
  resetPeakMemory,
  type Tensor,
  tidy,
  zeros,
} from '../src/tensor/index.js';
import { interleave, machineLine, median, verdict } from './measure.js';
import { gigaflops, peakProducts } from './peak.js';

const [BATCH, TOKENS, TEXT] = [2, 4400, 77]; // 4400 = 5 latent frames of 22 x 40 patches
const config = { ...TRANSFORMER_PRESETS['mfm-2b'], num_layers: 1 };
const model = withParameters({ dtype: 'bfloat16' }, () => new Transformer3D(config));
const [block] = model.blocks;
const d = model.width;

const flops = blockFlops(config, { rows: BATCH, tokens: TOKENS, textTokens: TEXT });

console.log(machineLine());
noGrad(() => {
  const bf16 = (shape: number[]) => randn(shape).to('bfloat16');
  const made = tidy(() => {
    const text = model.prepareText(bf16([BATCH, TEXT, 2048]));
    const table = ropeTable(ropeEmbedding([5, 22, 40], config.attention_head_dim));
    return {
      x: bf16([BATCH, TOKENS, d]),
      time: bf16([BATCH, d]),
      keys: text.blocks[0].keys,
      values: text.blocks[0].values,
      bias: zeros([BATCH, 1, 1, TEXT]),
      cos: table.cos,
      signedSin: table.signedSin.contiguous(),
    };
  });
  for (const t of Object.values(made)) (t as Tensor).keep();
  const { x, time, keys, values, bias, cos, signedSin } = made;
  const inputs = { time, text: { keys, values }, textBias: bias, rope: { cos, signedSin } };
  const forward = () => tidy(() => void block.forward(x, inputs));

  forward();
  const before = memoryInfo().usedBytes;
  resetPeakMemory();
  forward();
  const extra = (memoryInfo().peakBytes - before) / 1e9;

  const peaks = peakProducts();
  const seconds = interleave(
    {
      block: forward,
      ...Object.fromEntries(peaks.map(({ name, run }) => [name, run])),
    } as Record<string, () => void>,
    5,
  );
  const peak = Math.max(...peaks.map(({ name, flops: work }) => work / median(seconds[name])));
  const taken = median(seconds.block);
  const share = (100 * flops) / taken / peak;
  console.log(`fastest product: ${gigaflops(peak, 1)}`);
  verdict(
    `block: ${taken.toFixed(2)} s, ${gigaflops(flops, taken)}, ${share.toFixed(0)}% of the fastest product`,
    share >= 40,
    'at least 40%',
  );
  verdict(`peak memory beyond weights and input: ${extra.toFixed(2)} GB`, extra < 2, 'under 2 GB');
});
