/**
 * What is trained, in which batches, and the operations that takes: counted from configurations
 * alone. Memory is in `memory.ts`, network and time over many processes in `scaling.ts`.
 */
import type { TransformerConfig } from '../models/transformer/config.js';
import {
  adapterFlops,
  passFlops,
  textFlops,
  timeFlops,
  widthOf,
} from '../models/transformer/cost.js';
import { lowRankSizes, parameterSizes } from '../models/transformer/parameters.js';
import type { LoraConfig } from '../nn/lora-config.js';
import type { Target } from '../tasks/index.js';
import type { Recipe, Stage } from './config.js';
import { batchSizeOf, tokensOf } from './feed/buckets.js';
import { meanImageShare } from './mix.js';

/** What is trained, and what is in memory beside it. */
export interface TrainedNetworks {
  transformer: TransformerConfig;
  dtype: 'float32' | 'bfloat16';
  /** tokens of a prompt */
  promptLength: number;
  /** elements; one that is not trained has made its embeddings before */
  textEncoder: { parameters: number; trained: boolean };
  autoencoder: { parameters: number };
  /** these are trained, not the weights beside them */
  lora?: Pick<LoraConfig, 'rank' | 'targets'>;
}

export type Sharding = Recipe['sharding'];

/** Batches of one kind in a stage, as large as they get. */
export interface StageBatch {
  kind: 'image' | 'clip';
  /** of all steps */
  share: number;
  size: Target;
  /** of a sample */
  tokens: number;
  /** of a step, over all processes */
  samples: number;
  /** that the processes of a group take at once; null: all that are theirs */
  microSamples: number | null;
}

/** Images and clips of the stage's own size; a kind that never comes is left out. */
export function batchesOf(stage: Stage): StageBatch[] {
  const { width, height, tokensPerBatch, tokensPerMicroBatch } = stage;
  const images = meanImageShare(stage);
  const kinds = [
    { kind: 'image', share: images, numFrames: 1 },
    { kind: 'clip', share: 1 - images, numFrames: stage.numFrames },
  ] as const;
  return kinds
    .filter(({ share }) => share > 0)
    .map(({ kind, share, numFrames }) => {
      const size = { numFrames, width, height };
      const samples = batchSizeOf(size, tokensPerBatch);
      const microSamples = tokensPerMicroBatch ? batchSizeOf(size, tokensPerMicroBatch) : null;
      return { kind, share, size, tokens: tokensOf(size), samples, microSamples };
    });
}

/** Operations of one sample, forward and backward. */
export interface SampleFlops {
  /** shared by the processes that share the sample's tokens */
  split: number;
  /** of each of them: adapter, text, time */
  whole: number;
}

/** What samples of a batch may share: of all of them together, or of one in the mean. */
export interface SharedWork {
  /** conditions that the adapter sees */
  conditions: number;
  /** tokens of a text that the blocks see, and that its encoder does, padding and all */
  textTokens: number;
  encodedTokens: number;
}

/**
 * Counted as executed; default of what is shared: all that a sample has of its own. Backward is twice forward, for inputs and weights; weights that stay as they
 * are need no gradient. Attention makes its scores again in its backward pass, which has five
 * products where forward has two. Checkpointing adds the blocks' forward once more.
 *
 * Source: Kaplan et al. 2020, arXiv 2001.08361 (2 forward, 4 backward per weight); Dao et al. 2022,
 * arXiv 2205.14135, algorithm 4 (five products)
 */
export function sampleFlops(
  { transformer: config, promptLength, textEncoder, lora }: TrainedNetworks,
  size: Target,
  { gradCheckpointing }: Pick<Stage, 'gradCheckpointing'>,
  { conditions, textTokens, encodedTokens }: SharedWork = {
    ...{ conditions: 1, textTokens: promptLength, encodedTokens: promptLength },
  },
): SampleFlops {
  const tokens = tokensOf(size);
  const work = { rows: 1, tokens, textTokens };
  const scores = config.num_layers * 4 * tokens * (tokens + textTokens) * widthOf(config);
  const time = timeFlops(config);
  const products = passFlops(config, work) - scores;
  const again = gradCheckpointing ? 1 : 0;
  const passes = lora ? 2 : 3;
  const adapter = conditions * adapterFlops(config, { frames: size.numFrames, ...size });
  // a trained encoder: a product per weight and token
  const encoder = textEncoder.trained ? 2 * textEncoder.parameters * encodedTokens : 0;
  return {
    split: (passes + again) * products + (3.5 + again) * scores,
    whole:
      // nothing before the adapter is trained: beside frozen weights it is forward alone
      (lora ? 1 : 3) * adapter +
      passes * (textFlops(config, textTokens) + encoder) +
      (passes + again) * time,
  };
}

/** Elements of every trained parameter; the text encoder's, if it is trained, as one. */
export function trainedSizes({ transformer, textEncoder, lora }: TrainedNetworks): number[] {
  if (lora) return lowRankSizes(transformer, lora);
  const { adapter, blocks, others } = parameterSizes(transformer);
  return [
    ...adapter,
    ...others,
    ...blocks,
    ...(textEncoder.trained ? [textEncoder.parameters] : []),
  ];
}

/** Forward and backward passes of a step, of the group of processes that has most samples. */
export function passesOf({ samples, microSamples }: StageBatch, groups: number): number {
  const own = Math.ceil(samples / groups);
  return microSamples === null ? 1 : Math.ceil(own / microSamples);
}
