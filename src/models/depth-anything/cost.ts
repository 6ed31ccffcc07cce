/** The cost of estimating depth, counted from the configuration, not measured. */
import type { Size } from '../../media/index.js';
import { type DepthAnythingConfig, outStages } from './config.js';
import { gatedWidth } from './dinov2.js';
import { DepthProcessor, type DepthProcessorConfig } from './processor.js';

/** Taps of a 3x3 convolution. */
const AREA = 9;

/** FLOPs (multiplications plus additions) of the model's products for one picture of this size. */
export function depthFlops(
  config: DepthAnythingConfig,
  processor: DepthProcessorConfig,
  size: Size,
): number {
  const { backbone_config: backbone, patch_size: patch } = config;
  const { width, height } = new DepthProcessor(processor).sizeFor(size);
  const patches = Math.floor(width / patch) * Math.floor(height / patch);
  return 2 * (backboneProducts(backbone, patches) + headProducts(config, patches));
}

function backboneProducts(config: DepthAnythingConfig['backbone_config'], patches: number) {
  const { hidden_size: d, mlp_ratio: ratio, patch_size: patch, num_channels: channels } = config;
  const tokens = patches + 1;
  // blocks after the last stage that is passed on are not computed
  const blocks = Math.max(...outStages(config));
  const inner = config.use_swiglu_ffn
    ? 1.5 * gatedWidth(config) // three products instead of two
    : Math.trunc(d * ratio);
  const block = tokens * (4 * d * d + 2 * d * inner) + 2 * tokens * tokens * d;
  return patches * channels * patch * patch * d + blocks * block;
}

function headProducts(config: DepthAnythingConfig, patches: number): number {
  const { reassemble_hidden_size: d, reassemble_factors: factors, patch_size: patch } = config;
  const { neck_hidden_sizes: sizes, fusion_hidden_size: width, head_hidden_size: hidden } = config;
  const areas = factors.map((factor) => patches * factor * factor);
  let sum = 0;
  for (const [i, channels] of sizes.entries()) {
    const [factor, area] = [factors[i]!, areas[i]!];
    sum += patches * d * channels;
    // enlarged: each patch gives factor x factor pixels; reduced: a 3x3 convolution
    if (factor !== 1) sum += area * channels * channels * (factor > 1 ? 1 : AREA);
    sum += area * AREA * channels * width;
    const deepest = i === sizes.length - 1;
    // four 3x3 convolutions join a stage to the deeper ones, two process the deepest
    sum += area * (deepest ? 2 : 4) * AREA * width * width;
    // the sum is brought to the size of the next shallower stage, the last one to twice its own
    sum += (i === 0 ? 4 * area : areas[i - 1]!) * width * width;
  }
  const half = Math.floor(width / 2);
  const seen =
    config.head_in_index < 0 ? sizes.length + config.head_in_index : config.head_in_index;
  // fused maps are listed from the deepest stage up; the last has twice the size of the first stage
  const area = seen === sizes.length - 1 ? 4 * areas[0]! : areas[sizes.length - 2 - seen]!;
  return (
    sum + area * AREA * width * half + patches * patch * patch * (AREA * half * hidden + hidden)
  );
}
