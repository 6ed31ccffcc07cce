/** The peak speed of this machine, and the share of it that training reaches; both measured. */
import { latentFrames, tokensOf } from '../../models/latent-grid.js';
import { Transformer3D, type TransformerConfig } from '../../models/transformer/index.js';
import { withParameters } from '../../nn/index.js';
import type { Target } from '../../tasks/index.js';
import { type DType, emptyCache, full, randn, tidy, waitFor } from '../../tensor/index.js';
import { sampleFlops, wholeTransformer } from './cost.js';
import type { TrainedNetworks } from './trained-networks.js';

/**
 * Rows, inner width and columns of matrix products that are large enough to be efficient, and
 * quick.
 */
const PRODUCTS = [
  [2048, 1024, 4096],
  [2048, 2048, 2048],
  [4096, 1792, 3584],
] as const;
/** Runs of each product, or as many as the time allows; the first warms up, and the best counts. */
const [RUNS, ENOUGH_SECONDS] = [6, 1.5];

/**
 * Operations per second of the fastest matrix product, on all threads. Measuring takes a second or
 * two.
 */
export function matrixPeak(dtype: DType, device = 'cpu'): number {
  const rates = PRODUCTS.map(([rows, inner, columns]) =>
    tidy(() => {
      const x = randn([rows, inner]).to(dtype).to(device);
      const weight = randn([columns, inner]).to(dtype).to(device).transpose(0, 1);
      return (2 * rows * inner * columns) / fastest(() => waitFor(x.matmul(weight)));
    }),
  );
  return Math.max(...rates);
}

/** The size of the measured part of a network: at most this many parameters in blocks, and tokens. */
const [PROBE_PARAMETERS, PROBE_TOKENS] = [30e6, 1280];

/**
 * The share of `peakFlops` that forward and backward passes reach, 0..1, measured on a few blocks
 * of the network's own width.
 */
export function trainingEfficiency(
  { transformer, dtype, promptLength }: TrainedNetworks,
  size: Target,
  peakFlops: number,
  device = 'cpu',
): number {
  const config = fewerBlocks(transformer);
  const piece = smaller(size);
  const rows = Math.max(1, Math.floor(PROBE_TOKENS / tokensOf(piece)));
  const networks: TrainedNetworks = {
    transformer: config,
    dtype,
    promptLength,
    textEncoder: { parameters: 0 },
    autoencoder: { parameters: 0 },
    trained: wholeTransformer(config),
  };
  const { split, whole } = sampleFlops(networks, piece, { gradCheckpointing: false });
  const model = withParameters({ dtype }, () => new Transformer3D(config)).moveTo(device, dtype);
  const { numFrames, height, width } = piece;
  const seconds = tidy(() => {
    const { in_channels, cross_attention_dim: textWidths } = config;
    const side = (pixels: number) => pixels / 8;
    const frames = latentFrames(numFrames);
    const filled = (shape: number[], value = 0.1) => full(shape, value, { device });
    const latents = filled([rows, in_channels, frames, side(height), side(width)]);
    const textWidth = typeof textWidths === 'number' ? textWidths : textWidths[0];
    const text = filled([rows, promptLength, textWidth]);
    const channels = config.use_depth_cond ? 4 : 3;
    const pixels = filled([rows, channels, numFrames, height, width]);
    const mask = filled([rows, 1, numFrames, height, width], 1);
    const [timesteps, motionScores] = [filled([rows], 0), filled([rows], 0)];
    return fastest(() => {
      const out = model.predict(latents, { timesteps, motionScores, text, pixels, mask });
      const loss = out.to('float32').square().mean();
      loss.backward();
      model.zeroGrad();
      waitFor(latents);
    });
  });
  model.dispose();
  emptyCache();
  return (rows * (split + whole)) / seconds / peakFlops;
}

/** The same network with only as many blocks as the measurement allows. */
function fewerBlocks(config: TransformerConfig): TransformerConfig {
  const width = config.num_attention_heads * config.attention_head_dim;
  const blocks = Math.max(1, Math.floor(PROBE_PARAMETERS / (22 * width * width)));
  return { ...config, num_layers: Math.min(config.num_layers, blocks), num_block_chunks: 1 };
}

/**
 * The same size, or a shorter and smaller one that has no more tokens than the measurement allows.
 */
function smaller(size: Target): Target {
  let { numFrames, width, height } = size;
  const half = (side: number) => Math.max(16, Math.floor(side / 32) * 16);
  while (tokensOf({ numFrames, width, height }) > PROBE_TOKENS) {
    if (numFrames > 17) numFrames = 4 * Math.floor((numFrames - 1) / 8) + 1;
    else [width, height] = [half(width), half(height)];
  }
  return { numFrames, width, height };
}

/** Seconds of the fastest of a few runs. */
function fastest(run: () => void): number {
  const seconds: number[] = [];
  const startMs = performance.now();
  do {
    const ms = performance.now();
    tidy(run);
    seconds.push((performance.now() - ms) / 1000);
  } while (seconds.length < RUNS && performance.now() - startMs < 1000 * ENOUGH_SECONDS);
  return Math.min(...seconds);
}
