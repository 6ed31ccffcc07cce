/**
 * Measures how fast this machine runs a pipeline: each network's own code on a small piece of work,
 * with placeholder weights. It takes a few seconds at most, and needs no weight files.
 */
import type { ConvCache } from '../../models/autoencoder/causal-conv.js';
import { Decoder } from '../../models/autoencoder/decoder.js';
import { spatialCompression } from '../../models/autoencoder/index.js';
import { decodedFrames } from '../../models/latent-grid.js';
import { T5Encoder } from '../../models/t5/index.js';
import { ropeEmbedding, ropeTable, Transformer3D } from '../../models/transformer/index.js';
import { attention } from '../../nn/attention.js';
import { type Module, withParameters } from '../../nn/index.js';
import {
  type DType,
  emptyCache,
  full,
  memoryInfo,
  noGrad,
  resetPeakMemory,
  type Tensor,
  tidy,
  zeros,
} from '../../tensor/index.js';
import type { PipelineShape } from '../shape.js';
import type { Work } from './work.js';

/** Seconds per unit of work, and bytes that a unit needs in addition to weights and result. */
export interface Calibration {
  /** one layer of the text encoder, on all prompts */
  textLayerSeconds: number;
  /** a token through one block, without its self-attention */
  tokenSeconds: number;
  /** one query attending to one key, over all heads of one block */
  scoreSeconds: number;
  /** one pixel of a frame through the adapter */
  adapterPixelSeconds: number;
  adapterPixelBytes: number;
  /** one pixel of a frame out of the decoder */
  decodedPixelSeconds: number;
  decodedPixelBytes: number;
}

/** Enough tokens for matrix products to run at their usual speed. */
const PROBE_TOKENS = 2048;
const [PROBE_QUERIES, PROBE_KEYS] = [512, 8192];
/** Side length of the probe for the adapter, in pixels, and for the decoder, in latent pixels. */
const PROBE_PIXELS = 256;
const PROBE_LATENTS = 8;

/** Measures the machine for `work`, in `dtype`. */
export function calibrate(shape: PipelineShape, work: Work, dtype: DType): Calibration {
  const measured = noGrad(() => ({
    ...probeTextEncoder(shape, work, dtype),
    ...probeTransformer(shape, work, dtype),
    ...probeDecoder(shape, work, dtype),
  }));
  emptyCache();
  return measured;
}

function probeTextEncoder(
  { textEncoder: config }: PipelineShape,
  { rows, textTokens }: Work,
  dtype: DType,
): Pick<Calibration, 'textLayerSeconds'> {
  const small = { ...config, num_layers: 1, vocab_size: 8 };
  const encoder = plain(dtype, () => new T5Encoder(small));
  const ids = zeros([rows, textTokens], { dtype: 'int64' });
  const { seconds } = probe(() => encoder.forward(ids));
  encoder.dispose();
  ids.dispose();
  return { textLayerSeconds: seconds };
}

function probeTransformer(
  { transformer: config }: PipelineShape,
  { rows, tokens, textTokens, target }: Work,
  dtype: DType,
): Pick<
  Calibration,
  'tokenSeconds' | 'scoreSeconds' | 'adapterPixelSeconds' | 'adapterPixelBytes'
> {
  const model = plain(dtype, () => new Transformer3D({ ...config, num_layers: 1 }));
  const { num_attention_heads: heads, attention_head_dim: headDim } = config;
  const filled = (dims: number[]) => full(dims, 0.1, { dtype });

  // a block, and how much of its time is self-attention
  const count = Math.min(rows * tokens, PROBE_TOKENS);
  const selfAttention = (queries: number, keys: number) =>
    tidy(() => {
      const split = (length: number) => filled([1, length, heads, headDim]).transpose(1, 2);
      const [q, k] = [split(queries), split(keys)];
      return probe(() => attention(q, k, k)).seconds;
    });
  const block = tidy(() => {
    const rope = config.use_rope ? ropeTable(ropeEmbedding([1, 1, count], headDim)) : null;
    const textWidth = config.cross_attention_dim;
    const width = typeof textWidth === 'number' ? textWidth : textWidth[0];
    const text = model.prepareText(filled([1, textTokens, width])).blocks[0]!;
    const [x, time] = [filled([1, count, model.width]), filled([1, model.width])];
    return probe(() => model.blocks[0]!.forward(x, { time, text, textBias: null, rope })).seconds;
  });
  const [queries, keys] = [Math.min(tokens, PROBE_QUERIES), Math.min(tokens, PROBE_KEYS)];
  const scoreSeconds = selfAttention(queries, keys) / (queries * keys);
  const tokenSeconds = Math.max(0, block - selfAttention(count, count)) / count;

  // the adapter
  const [frames, height, width] = [
    Math.min(5, target.numFrames),
    Math.min(PROBE_PIXELS, target.height),
    Math.min(PROBE_PIXELS, target.width),
  ];
  const adapter = tidy(() => {
    const pixels = filled([1, config.use_depth_cond ? 4 : 3, frames, height, width]);
    const mask = filled([1, 1, frames, height, width]);
    return probe(() => model.prepareCondition(pixels, mask));
  });
  model.dispose();
  const volume = frames * height * width;
  return {
    tokenSeconds,
    scoreSeconds,
    adapterPixelSeconds: adapter.seconds / volume,
    adapterPixelBytes: adapter.bytes / volume,
  };
}

function probeDecoder(
  { autoencoder: config }: PipelineShape,
  { latentFrames, target }: Work,
  dtype: DType,
): Pick<Calibration, 'decodedPixelSeconds' | 'decodedPixelBytes'> {
  const decoder = plain(dtype, () => new Decoder(config));
  const factor = spatialCompression(config);
  const [f, h, w] = [
    Math.min(3, latentFrames),
    Math.min(PROBE_LATENTS, target.height / factor),
    Math.min(PROBE_LATENTS, target.width / factor),
  ];
  const decoded = tidy(() => {
    const latents = full([1, config.latent_channels, f, h, w], 0.1, { dtype });
    return probe(() => {
      const cache: ConvCache = new Map();
      const frames = decoder.forward(latents, cache);
      for (const past of cache.values()) past.dispose();
      return frames;
    });
  });
  decoder.dispose();
  const volume = decodedFrames(f) * h * w * factor ** 2;
  return {
    decodedPixelSeconds: decoded.seconds / volume,
    decodedPixelBytes: decoded.bytes / volume,
  };
}

/** A module whose weights are all the same number: nothing is drawn at random or read. */
function plain<M extends Module>(dtype: DType, make: () => M): M {
  const module = withParameters({ dtype, init: 'empty' }, make);
  for (const parameter of module.parameters()) parameter.requiresGrad_(false).fill_(0.01);
  return module.eval();
}

/** Once a probe's runs have taken this long, it is not repeated. */
const ENOUGH_SECONDS = 4;

/** The shortest time of up to three runs, the first of which warms up, and their peak memory. */
function probe(run: () => Tensor): { seconds: number; bytes: number } {
  resetPeakMemory();
  const before = memoryInfo().usedBytes;
  const seconds: number[] = [];
  do {
    const start = performance.now();
    tidy(() => void run());
    seconds.push((performance.now() - start) / 1000);
  } while (seconds.length < 3 && seconds.reduce((a, b) => a + b) < ENOUGH_SECONDS);
  return { seconds: Math.min(...seconds), bytes: memoryInfo().peakBytes - before };
}
