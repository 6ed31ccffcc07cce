/**
 * What is trained, in which batches, and the operations that takes: counted from configurations
 * alone. Memory is in `memory.ts`, network and time over many processes in `scaling.ts`.
 */
import { tokensOf } from '../../models/latent-grid.js';
import type { TransformerConfig } from '../../models/transformer/config.js';
import {
  adapterFlops,
  passFlops,
  textFlops,
  timeFlops,
  widthOf,
} from '../../models/transformer/cost.js';
import { blockName, parameterElements } from '../../models/transformer/parameters.js';
import type { Target } from '../../tasks/index.js';
import { batchSizeOf } from '../feed/buckets.js';
import type { Recipe, Stage } from '../recipe/config.js';
import { meanImageShare } from '../recipe/image-share.js';
import { isText, prefixed } from '../recipe/trained-names.js';
import type { TrainedNetworks } from './trained-networks.js';

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
 * Counted as executed; default of what is shared: all that a sample has of its own. Backward is as
 * much as forward for inputs, and once more for weights: see `gradientShares`. Attention makes its
 * scores again in its backward pass, which has five products where forward has two. Checkpointing
 * adds the forward pass of blocks once more.
 *
 * Source: Kaplan et al. 2020, arXiv 2001.08361 (2 forward, 4 backward per weight); Dao et al. 2022,
 * arXiv 2205.14135, algorithm 4 (five products)
 */
export function sampleFlops(
  networks: TrainedNetworks,
  size: Target,
  stage: Pick<Stage, 'gradCheckpointing'>,
): SampleFlops {
  return flopsCounter(networks)(size, stage);
}

/** The same of many samples: what has gradients is found once. */
export function flopsCounter(networks: TrainedNetworks) {
  const { promptLength } = networks;
  const shares = gradientShares(networks);
  const own = { conditions: 1, textTokens: promptLength, encodedTokens: promptLength };
  return (size: Target, stage: Pick<Stage, 'gradCheckpointing'>, work: SharedWork = own) =>
    countFlops(networks, shares, size, stage, work);
}

function countFlops(
  { transformer: config, textEncoder }: TrainedNetworks,
  { inputs, weights }: GradientShares,
  size: Target,
  { gradCheckpointing }: Pick<Stage, 'gradCheckpointing'>,
  { conditions, textTokens, encodedTokens }: SharedWork,
): SampleFlops {
  const tokens = tokensOf(size);
  const work = { rows: 1, tokens, textTokens };
  const scores = config.num_layers * 4 * tokens * (tokens + textTokens) * widthOf(config);
  const time = timeFlops(config);
  const products = passFlops(config, work) - scores;
  const again = gradCheckpointing ? inputs : 0;
  const adapter = conditions * adapterFlops(config, { frames: size.numFrames, ...size });
  // a product per weight and token; one that is not trained has done it before
  const encoder = weights.encoder > 0 ? 2 * textEncoder.parameters * encodedTokens : 0;
  return {
    split: (1 + inputs + weights.tokens + again) * products + (1 + 2.5 * inputs + again) * scores,
    whole:
      // nothing before the adapter is trained: beside frozen weights it is forward alone
      (1 + (weights.adapter > 0 ? 1 : 0) + weights.adapter) * adapter +
      (1 + inputs + weights.text) * textFlops(config, textTokens) +
      (2 + weights.encoder) * encoder +
      (1 + inputs + weights.time + again) * time,
  };
}

/** What of a network's work has gradients. */
interface GradientShares {
  /** of the blocks: those that come after the first trained weight */
  inputs: number;
  /** trained ones of all, by what they are multiplied with; the encoder is the text's */
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
  // text, adapter, patches and time come before all blocks
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

/** What a weight of the transformer is multiplied with. */
function partOf(name: string): 'adapter' | 'text' | 'time' | 'tokens' {
  if (name.startsWith('transformer.cond_conv.')) return 'adapter';
  if (/\.attn2\.[kv]_proj\./.test(name)) return 'text';
  return /time_embedder|\.norm1\.linear|proj_out_1/.test(name) ? 'time' : 'tokens';
}

/** Elements of each parameter of a transformer, as `TrainedNetworks` has them. */
export const wholeTransformer = (config: TransformerConfig): Map<string, number> =>
  new Map(prefixed('transformer', parameterElements(config)));

/** Elements of the trained parameters whose names pass. */
export const trainedTotal = (
  trained: TrainedNetworks['trained'],
  passes: (name: string) => boolean = () => true,
): number => [...trained].reduce((sum, [name, size]) => sum + (passes(name) ? size : 0), 0);

/** Is a parameter a layer of low rank's? */
export const isLowRank = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** Forward and backward passes of a step, of the group of processes that has most samples. */
export function passesOf({ samples, microSamples }: StageBatch, groups: number): number {
  const own = Math.ceil(samples / groups);
  return microSamples === null ? 1 : Math.ceil(own / microSamples);
}
