/**
 * Measures how fast a device runs a pipeline: each network's own code on a small piece of work, with
 * placeholder weights. It takes a few seconds at most, and needs no weight files.
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
  memoryOf,
  noGrad,
  resetPeakMemory,
  type Tensor,
  tidy,
  waitFor,
  zeros,
} from '../../tensor/index.js';
import type { PipelineShape } from '../shape.js';
import { hasOwnMemory } from './available.js';
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

/** Where networks are measured, and in what. */
interface On {
  device: string;
  dtype: DType;
}

/**
 * Measures a device for `work`, in `dtype`. Where a device's memory cannot be measured, since it is the
 * machine's, bytes are those that the CPU takes.
 */
export function calibrate(
  shape: PipelineShape,
  work: Work,
  dtype: DType,
  device = 'cpu',
): Calibration {
  const measured = noGrad(() => measure(shape, work, { device, dtype }));
  if (device !== 'cpu' && !hasOwnMemory(device)) {
    const onCpu = { device: 'cpu', dtype };
    const model = plainTransformer(shape, onCpu);
    measured.adapterPixelBytes = noGrad(() => probeAdapter(model, work, onCpu)).bytes;
    measured.decodedPixelBytes = noGrad(() => probeDecoder(shape, work, onCpu)).bytes;
    model.dispose();
  }
  emptyCache();
  return measured;
}

function measure(shape: PipelineShape, work: Work, on: On): Calibration {
  const model = plainTransformer(shape, on);
  // the first kernels take a GPU's time and memory for themselves
  if (on.device !== 'cpu') probeBlock(model, { ...work, tokens: 64 }, on);
  // from the smallest to the largest need of memory, see `memoryTaken`
  const decoded = probeDecoder(shape, work, on);
  const adapter = probeAdapter(model, work, on);
  const block = probeBlock(model, work, on);
  model.dispose();
  return {
    textLayerSeconds: probeTextEncoder(shape, work, on),
    ...block,
    adapterPixelSeconds: adapter.seconds,
    adapterPixelBytes: adapter.bytes,
    decodedPixelSeconds: decoded.seconds,
    decodedPixelBytes: decoded.bytes,
  };
}

/** Seconds of one layer on all prompts. */
function probeTextEncoder(
  { textEncoder: config }: PipelineShape,
  { rows, textTokens }: Work,
  on: On,
): number {
  const small = { ...config, num_layers: 1, vocab_size: 8 };
  const encoder = plain(on, () => new T5Encoder(small));
  const ids = zeros([rows, textTokens], { dtype: 'int64', device: on.device });
  const { seconds } = probe(() => encoder.forward(ids), on.device);
  encoder.dispose();
  ids.dispose();
  return seconds;
}

/** A block, and how much of its time is self-attention. */
function probeBlock(
  model: Transformer3D,
  { rows, tokens, textTokens }: Work,
  on: On,
): Pick<Calibration, 'tokenSeconds' | 'scoreSeconds'> {
  const { config } = model;
  const { num_attention_heads: heads, attention_head_dim: headDim } = config;
  const filled = (dims: number[]) => full(dims, 0.1, on);
  const count = Math.min(rows * tokens, PROBE_TOKENS);
  const selfAttention = (queries: number, keys: number) =>
    tidy(() => {
      const split = (length: number) => filled([1, length, heads, headDim]).transpose(1, 2);
      const [q, k] = [split(queries), split(keys)];
      return probe(() => attention(q, k, k), on.device).seconds;
    });
  const block = tidy(() => {
    const grid = ropeEmbedding([1, 1, count], headDim, on.device);
    const rope = config.use_rope ? ropeTable(grid) : null;
    const textWidth = config.cross_attention_dim;
    const width = typeof textWidth === 'number' ? textWidth : textWidth[0];
    const text = model.prepareText(filled([1, textTokens, width])).blocks[0]!;
    const [x, time] = [filled([1, count, model.width]), filled([1, model.width])];
    const run = () => model.blocks[0]!.forward(x, { time, text, textBias: null, rope });
    return probe(run, on.device).seconds;
  });
  const [queries, keys] = [Math.min(tokens, PROBE_QUERIES), Math.min(tokens, PROBE_KEYS)];
  const scoreSeconds = selfAttention(queries, keys) / (queries * keys);
  const tokenSeconds = Math.max(0, block - selfAttention(count, count)) / count;
  return { tokenSeconds, scoreSeconds };
}

/** A pixel of a frame through the adapter. */
function probeAdapter(model: Transformer3D, { target }: Work, on: On): Probed {
  const [frames, height, width] = [
    Math.min(5, target.numFrames),
    Math.min(PROBE_PIXELS, target.height),
    Math.min(PROBE_PIXELS, target.width),
  ];
  const adapter = tidy(() => {
    const channels = model.config.use_depth_cond ? 4 : 3;
    const pixels = full([1, channels, frames, height, width], 0.1, on);
    const mask = full([1, 1, frames, height, width], 0.1, on);
    return probe(() => model.prepareCondition(pixels, mask), on.device);
  });
  return perUnit(adapter, frames * height * width);
}

/** A pixel of a frame out of the decoder. */
function probeDecoder(
  { autoencoder: config }: PipelineShape,
  { latentFrames, target }: Work,
  on: On,
): Probed {
  const decoder = plain(on, () => new Decoder(config));
  const factor = spatialCompression(config);
  const [f, h, w] = [
    Math.min(3, latentFrames),
    Math.min(PROBE_LATENTS, target.height / factor),
    Math.min(PROBE_LATENTS, target.width / factor),
  ];
  const decoded = tidy(() => {
    const latents = full([1, config.latent_channels, f, h, w], 0.1, on);
    return probe(() => {
      const cache: ConvCache = new Map();
      const frames = decoder.forward(latents, cache);
      for (const past of cache.values()) past.dispose();
      return frames;
    }, on.device);
  });
  decoder.dispose();
  return perUnit(decoded, decodedFrames(f) * h * w * factor ** 2);
}

/** One block, and the adapter. */
const plainTransformer = ({ transformer: config }: PipelineShape, on: On): Transformer3D =>
  plain(on, () => new Transformer3D({ ...config, num_layers: 1 }));

/** A module whose weights are all the same number: nothing is drawn at random or read. */
function plain<M extends Module>({ dtype, device }: On, make: () => M): M {
  const module = withParameters({ dtype, device, init: 'empty' }, make);
  for (const parameter of module.parameters()) parameter.requiresGrad_(false).fill_(0.01);
  return module.eval();
}

/** What a run takes. */
interface Probed {
  seconds: number;
  bytes: number;
}

const perUnit = ({ seconds, bytes }: Probed, units: number): Probed => ({
  seconds: seconds / units,
  bytes: bytes / units,
});

/** Once a probe's runs have taken this long, it is not repeated. */
const ENOUGH_SECONDS = 4;

/** The shortest time of up to three runs, the first of which warms up, and their peak memory. */
function probe(run: () => Tensor, device: string): Probed {
  const taken = memoryTaken(device);
  const seconds: number[] = [];
  do {
    const start = performance.now();
    tidy(() => waitFor(run()));
    seconds.push((performance.now() - start) / 1000);
  } while (seconds.length < 3 && seconds.reduce((a, b) => a + b) < ENOUGH_SECONDS);
  return { seconds: Math.min(...seconds), bytes: taken() };
}

/**
 * Begins to measure memory; the function that it returns gives the bytes taken at the peak since then.
 * LibTorch keeps what it has taken of a GPU's memory, so what is free there tells the peak of all that ran
 * before, too: it is right for what takes more than that, and too little for what takes less.
 */
function memoryTaken(device: string): () => number {
  const free = memoryOf(device)?.free;
  if (free !== undefined) return () => Math.max(0, free - memoryOf(device)!.free);
  resetPeakMemory();
  const before = memoryInfo().usedBytes;
  return () => memoryInfo().peakBytes - before;
}
