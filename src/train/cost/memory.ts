/** The memory of a training process, counted from configurations alone. */
import { ownersOf } from '../../distributed/buckets.js';
import type { TransformerConfig } from '../../models/transformer/config.js';
import { tokensByBlock, widthOf } from '../../models/transformer/cost.js';
import { parameterSizes } from '../../models/transformer/parameters.js';
import type { Target } from '../../tasks/index.js';
import type { Stage } from '../recipe/config.js';
import { isText } from '../recipe/trained-names.js';
import {
  batchesOf,
  type CountedStage,
  isLowRank,
  passesOf,
  type Sharding,
  type StageBatch,
  skippingOf,
  trainedTotal,
} from './cost.js';
import { networksIn, type TrainedNetworks } from './trained-networks.js';

/** Bytes of a process, by what they are for. */
export interface ProcessMemory {
  weights: number;
  gradients: number;
  /** float32 master weights, moments and averages, in the process that owns the most */
  optimizer: number;
  activations: number;
  /** weights of networks that are not trained */
  frozen: number;
  total: number;
}

/**
 * The memory of a process in a stage. Autograd gives gradients in the weights' dtype. With several
 * processes, or several passes per step, they are summed in float32: for all parameters, or with
 * `zero2` for those that the process owns, while the others are sent away bucket by bucket in the
 * last pass; the passes before it are summed in the weights' dtype.
 *
 * @param bucketBytes   size of a bucket: float32 gradients that are reduced over the processes together
 */
export function memoryOf(
  recipes: TrainedNetworks,
  stage: Stage,
  options: { ranks: number; sharding: Sharding; bucketBytes: number },
): ProcessMemory {
  const networks = networksIn(recipes, stage);
  const { ranks, sharding, bucketBytes } = options;
  const { textEncoder, autoencoder, transformer } = networks;
  const element = networks.dtype === 'float32' ? 4 : 2;
  const sizes = [...networks.trained.values()];
  const trained = total(sizes);
  const owned = sharding === 'ddp' ? trained : largestShare(sizes, ranks);
  const batches = batchesOf(stage);
  const groups = Math.max(1, Math.floor(ranks / stage.sequenceParallel));
  const accumulates = batches.some((batch) => passesOf(batch, groups) > 1);
  const sums = ranks > 1 || accumulates ? 4 : 0;

  const inFlight = Math.min(trained, 2 * Math.max(bucketBytes / 4, Math.max(...sizes)));
  const text = trainedTotal(networks.trained, isText) > 0 ? textEncoder.parameters : 0;
  const added = trainedTotal(networks.trained, isLowRank);
  // two of AdamW, one of Muon
  const moments = 8 - 4 * ((networks.muon?.elements ?? 0) / trained);
  const parts = {
    weights: element * (parameterTotal(transformer) + text + added),
    gradients:
      sharding === 'zero2' && ranks > 1
        ? sums * (owned + inFlight) + element * (accumulates ? trained : inFlight)
        : (element + sums) * trained,
    // a float32 weight is its own master weight; only owners keep averages
    optimizer: ((element === 4 ? 0 : 4) + moments) * owned + 4 * largestShare(sizes, ranks),
    activations: Math.max(
      ...batches.map((batch) => activationBytes(networks, stage, batch, groups)),
    ),
    frozen:
      element * (autoencoder.parameters + textEncoder.parameters - text) +
      // the teacher
      (stage.distillation?.velocity === 'teacher' ? element * parameterTotal(transformer) : 0),
  };
  return { ...parts, total: total(Object.values(parts)) };
}

const parameterTotal = (config: TransformerConfig): number =>
  total(Object.values(parameterSizes(config)).flat());

/**
 * The number of elements that the fullest of `ranks` processes owns, if each parameter has one
 * owner.
 */
export function largestShare(sizes: readonly number[], ranks: number): number {
  const loads = new Float64Array(ranks);
  for (const [i, owner] of ownersOf(sizes, ranks).entries()) loads[owner]! += sizes[i]!;
  return loads.reduce((most, load) => Math.max(most, load));
}

/**
 * Activations of a block that autograd keeps for the backward pass, in vectors of the model's width
 * per token.
 */
const BLOCK_VECTORS = {
  // input, modulated, q and k as projected and as normed, v, mixed heads, projected
  selfAttention: 9,
  // input, normed, q as projected and as normed, mixed heads, projected
  crossAttention: 6,
  // input, modulated, 4 before and 4 after the GELU, projected
  feedForward: 11,
};
/** Further vectors per token that a block's backward pass needs at its peak; measured. */
const BACKWARD_VECTORS = 5;
/**
 * Vectors per token before and after all blocks: patches, condition, the last norm's output, a
 * gradient.
 */
const END_VECTORS = 4;
/** Vectors per token that the network keeps which aligns a block: two layers, before and after SiLU. */
const HEAD_VECTORS = 4;
/** Bytes per value of the output and its loss: the target and differences in float32. */
const LOSS_BYTES = 24;
/**
 * Bytes per pixel of the condition in float32: its five channels as they are read, and four joined.
 */
const CONDITION_BYTES = 4 * (5 + 4);

/**
 * Bytes of activations of a micro-batch in one process: what adapter and blocks keep for the
 * backward pass, and what the backward pass itself needs at its peak. With checkpointing, a block
 * keeps only its input, and one block at a time is recomputed.
 */
export function activationBytes(
  { transformer: config, dtype, promptLength }: TrainedNetworks,
  {
    gradCheckpointing,
    sequenceParallel,
    tokenRouting,
    alignment,
  }: CountedStage & Pick<Stage, 'sequenceParallel'>,
  batch: StageBatch,
  groups: number,
): number {
  const element = dtype === 'float32' ? 4 : 2;
  const d = widthOf(config);
  const own = Math.ceil(batch.samples / groups);
  const rows = Math.min(own, batch.microSamples ?? own);
  const tokens = (rows * batch.tokens) / sequenceParallel;
  const vector = tokens * d * element;
  // self- and cross-attention keep the sum of each row's exponentials, float32
  const rowSums = 2 * 4 * tokens * config.num_attention_heads;
  const block = total(Object.values(BLOCK_VECTORS)) * vector + rowSums;
  const kept = gradCheckpointing ? vector : block;
  // blocks that some tokens skip keep less
  const skipping = skippingOf(config, batch.tokens, tokenRouting);
  const perBlock = tokensByBlock(config, { tokens: batch.tokens, skipping });
  const fullBlocks = total(perBlock) / batch.tokens;
  // text keys before and after their norm, and values
  const text = 3 * rows * promptLength * d * element;
  const out = config.patch_size ** 2 * (config.out_channels ?? config.in_channels);

  const adapter = adapterBytes(config, batch.size, element);
  const inBackward = (gradCheckpointing ? block : 0) + BACKWARD_VECTORS * vector;
  return (
    fullBlocks * kept +
    config.num_layers * text +
    (END_VECTORS + (alignment && alignment.weight > 0 ? HEAD_VECTORS : 0)) * vector +
    LOSS_BYTES * out * tokens +
    rows * (adapter.kept + CONDITION_BYTES * pixelsOf(batch.size)) +
    Math.max(inBackward, rows * adapter.inBackward)
  );
}

const pixelsOf = ({ numFrames, width, height }: Target): number => numFrames * width * height;

/**
 * Bytes of the condition adapter on one sample. Every convolution and every activation function keeps
 * its input; in the backward pass, two gradients of the picture's size exist at once.
 */
function adapterBytes(
  { cond_block_out_channels: widths, use_depth_cond }: TransformerConfig,
  size: Target,
  element: number,
): { kept: number; inBackward: number } {
  let [frames, area] = [size.numFrames, size.width * size.height];
  const pixels = pixelsOf(size);
  // the condition joined in float32, converted, and rearranged by frames
  let kept = (use_depth_cond ? 5 : 4) * (4 + 2 * element) * pixels;
  widths.forEach((width, i) => {
    const volume = frames * area * width * element;
    // two convolutions per level, one after the last; the output of the first strided one is copied
    kept += (i === widths.length - 1 ? 2 : i === 1 ? 5 : 4) * volume;
    if (i % 2 === 0) frames = Math.ceil(frames / 2);
    area /= 4;
  });
  return { kept, inBackward: 2 * widths[0]! * element * pixels };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
