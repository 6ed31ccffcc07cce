/**
 * The batches of a stage and the operations that training takes, counted from configurations alone.
 * `memory.ts` counts memory; `scaling.ts` network traffic and time over many processes.
 */
import { tokensOf } from '../../models/latent-grid.js';
import type { TransformerConfig } from '../../models/transformer/config.js';
import {
  adapterFlops,
  passFlops,
  scoreFlops,
  type TransformerWork,
  textFlops,
  timeFlops,
  tokensByBlock,
  widthOf,
} from '../../models/transformer/cost.js';
import { blockName, parameterElements } from '../../models/transformer/parameters.js';
import type { Target } from '../../tasks/index.js';
import { batchSizeOf } from '../feed/buckets.js';
import type { FlowMapPlan, Recipe, Stage } from '../recipe/config.js';
import { meanImageShare } from '../recipe/image-share.js';
import {
  alignedBlock,
  headLayers,
  skippedBlocks,
  skippingTokens,
} from '../recipe/levers-config.js';
import { isText, prefixed } from '../recipe/trained-names.js';
import type { TrainedNetworks } from './trained-networks.js';

export type Sharding = Recipe['sharding'];

/** Batches of one kind in a stage, at their largest. */
export interface StageBatch {
  kind: 'image' | 'clip';
  /** share of all steps, 0..1 */
  share: number;
  size: Target;
  /** tokens of one sample */
  tokens: number;
  /** samples of a step, over all processes */
  samples: number;
  /** samples that the processes of a group compute at once; null: all of theirs */
  microSamples: number | null;
}

/**
 * The batches of images and of clips at the stage's own size; a kind with a share of 0 is left out.
 */
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
  /** divided among the processes that split the sample's tokens */
  split: number;
  /** done by each of these processes: adapter, text, time */
  whole: number;
}

/** The keys of a stage that change how much is computed. */
export type CountedStage = Pick<Stage, 'gradCheckpointing'> &
  Partial<Pick<Stage, 'tokenRouting' | 'alignment' | 'distillation'>>;

/** Work that samples of a batch may share: the sum over all samples, or the mean per sample. */
export interface SharedWork {
  /** number of conditions that the adapter processes */
  conditions: number;
  /** text tokens that the blocks process, and that the text encoder does, including padding */
  textTokens: number;
  encodedTokens: number;
  /** passes through the blocks without gradients, beside the one of each sample that has them */
  forwards: number;
}

/**
 * Counts the operations that are executed, assuming that samples share nothing. The backward pass
 * costs as much as the forward pass for the gradients of inputs, and the same again for those of
 * weights: see `gradientShares`. The backward pass of attention recomputes the scores, so it has
 * five products where the forward pass has two. Checkpointing adds a second forward pass of the
 * blocks.
 *
 * Source: Kaplan et al. 2020, arXiv 2001.08361 (2 forward, 4 backward per weight); Dao et al. 2022,
 * arXiv 2205.14135, algorithm 4 (five products)
 */
export function sampleFlops(
  networks: TrainedNetworks,
  size: Target,
  stage: CountedStage,
): SampleFlops {
  return flopsCounter(networks)(size, stage);
}

/**
 * Passes without gradients of a sample that is distilled, at the most: the teacher's with and without
 * the prompt, and where a step has a length as many again at its middle, and the student there. One
 * that is its own teacher has its guidance within, so it is compared with that without the prompt only
 * where it learns velocities.
 */
const forwardsOf = ({ flowShare, velocity }: FlowMapPlan): number =>
  3 * (1 - flowShare) + 2 * (velocity === 'teacher' ? 1 : flowShare);

/** The same for many samples: finds out only once what needs gradients. */
export function flopsCounter(networks: TrainedNetworks) {
  const { promptLength } = networks;
  const shares = gradientShares(networks);
  const own = { conditions: 1, textTokens: promptLength, encodedTokens: promptLength };
  return (size: Target, stage: CountedStage, work?: SharedWork) => {
    const forwards = stage.distillation ? forwardsOf(stage.distillation) : 0;
    return countFlops(networks, shares, size, stage, work ?? { ...own, forwards });
  };
}

function countFlops(
  { transformer: config, textEncoder }: TrainedNetworks,
  { inputs, weights }: GradientShares,
  size: Target,
  { gradCheckpointing, tokenRouting, alignment, distillation }: CountedStage,
  { conditions, textTokens, encodedTokens, forwards }: SharedWork,
): SampleFlops {
  const tokens = tokensOf(size);
  const skipping = skippingOf(config, tokens, tokenRouting);
  const work: TransformerWork = { rows: 1, tokens, textTokens, skipping };
  const scores = scoreFlops(config, work);
  const time = timeFlops(config);
  const products = passFlops(config, work) - scores;
  const again = gradCheckpointing ? inputs : 0;
  const adapter = conditions * adapterFlops(config, { frames: size.numFrames, ...size });
  // one product per weight and token; the states of a frozen encoder were computed ahead
  const encoder = weights.encoder > 0 ? 2 * textEncoder.parameters * encodedTokens : 0;
  // the teacher, if there is one, prepares conditions and texts too
  const teachers = distillation?.velocity === 'teacher' ? 1 : 0;
  return {
    split:
      (alignment ? 3 * headFlops(config, work, alignment) : 0) +
      (1 + inputs + weights.tokens + again + forwards) * products +
      (1 + 2.5 * inputs + again + forwards) * scores,
    whole:
      // nothing before the adapter is trained, so a frozen adapter needs no backward pass
      (1 + (weights.adapter > 0 ? 1 : 0) + weights.adapter + teachers) * adapter +
      (1 + inputs + weights.text + teachers) * textFlops(config, textTokens) +
      (2 + weights.encoder) * encoder +
      (1 + inputs + weights.time + again + forwards) * time,
  };
}

/** The tokens of a sample that skip blocks; null if none do. */
export function skippingOf(
  { num_layers }: TransformerConfig,
  tokens: number,
  tokenRouting: CountedStage['tokenRouting'],
): NonNullable<TransformerWork['skipping']> | null {
  const skipped = tokenRouting && skippedBlocks(tokenRouting, num_layers);
  if (!skipped) return null;
  const { share, first, last } = skipped;
  return { tokens: skippingTokens(tokens, share), first, last };
}

/** FLOPs of the network that reads the tokens of an aligned block, forward; 0 without one. */
function headFlops(
  config: TransformerConfig,
  work: TransformerWork,
  alignment: NonNullable<CountedStage['alignment']>,
): number {
  if (alignment.weight === 0) return 0;
  const tokens = tokensByBlock(config, work)[alignedBlock(alignment, config.num_layers)]!;
  return headLayers(alignment.to, { ...config, width: widthOf(config) }).reduce(
    (sum, [from, to]) => sum + 2 * tokens * from * to,
    0,
  );
}

/** The shares of a network's work that need gradients, 0..1. */
interface GradientShares {
  /** share of the blocks that come after the first trained weight */
  inputs: number;
  /**
   * share of weights that are trained, by what they are multiplied with; `encoder` is the text
   * encoder
   */
  weights: Record<'adapter' | 'text' | 'time' | 'tokens' | 'encoder', number>;
}

function gradientShares({
  transformer: config,
  textEncoder,
  trained,
}: TrainedNetworks): GradientShares {
  const sums = { adapter: [0, 0], text: [0, 0], time: [0, 0], tokens: [0, 0] };
  for (const [name, size] of wholeTransformer(config)) {
    const sum = sums[partOf(name)] as [number, number];
    sum[0] += trained.has(name) ? size : 0;
    sum[1] += size;
  }
  const names = [...trained.keys()];
  const layers = config.num_layers;
  const blocks = Array.from({ length: layers }, (_, i) => `transformer.${blockName(i, config)}.`);
  // text encoder, adapter, patch embedding and time embedding come before all blocks
  const first = names.some((name) => isText(name) || BEFORE_BLOCKS.test(name))
    ? 0
    : blocks.findIndex((block) => names.some((name) => name.startsWith(block)));
  const share = ([own, all]: number[]) => own! / all!;
  return {
    inputs: first < 0 ? 0 : (layers - first) / layers,
    weights: {
      adapter: share(sums.adapter),
      text: share(sums.text),
      time: share(sums.time),
      tokens: share(sums.tokens),
      encoder: trainedTotal(trained, isText) / Math.max(1, textEncoder.parameters),
    },
  };
}

const BEFORE_BLOCKS = /^transformer\.(cond_conv|pos_embed|time_embedder)\./;

/** What a weight of the transformer is multiplied with, by its name. */
function partOf(name: string): 'adapter' | 'text' | 'time' | 'tokens' {
  if (name.startsWith('transformer.cond_conv.')) return 'adapter';
  if (/\.attn2\.[kv]_proj\./.test(name)) return 'text';
  return /time_embedder|\.norm1\.linear|proj_out_1/.test(name) ? 'time' : 'tokens';
}

/** The number of elements of each parameter of a transformer, by the names of `TrainedNetworks`. */
export const wholeTransformer = (config: TransformerConfig): Map<string, number> =>
  new Map(prefixed('transformer', parameterElements(config)));

/** The number of elements of the trained parameters whose names pass. */
export const trainedTotal = (
  trained: TrainedNetworks['trained'],
  passes: (name: string) => boolean = () => true,
): number => [...trained].reduce((sum, [name, size]) => sum + (passes(name) ? size : 0), 0);

/** Does a parameter belong to a LoRA layer? */
export const isLowRank = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** Forward and backward passes in a step, in the group of processes with the most samples. */
export function passesOf({ samples, microSamples }: StageBatch, groups: number): number {
  const own = Math.ceil(samples / groups);
  return microSamples === null ? 1 : Math.ceil(own / microSamples);
}
