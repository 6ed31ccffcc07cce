/**
 * The CogVideoX autoencoder: clips [B, C, F, H, W] in [−1, 1] to latents [B, Cz, f, h, w] and back.
 * A long clip is processed in chunks. Norms see one chunk, convolutions also the end of the
 * previous one, so the chunks are part of the function and not only a way to save memory.
 * Source: Yang et al. 2024, CogVideoX, arXiv 2408.06072; diffusers `AutoencoderKLCogVideoX`
 */
import { ShapeError } from '../../errors.js';
import { Module } from '../../nn/index.js';
import { cat, type Tensor, tidy } from '../../tensor/index.js';
import type { ConvCache } from './causal-conv.js';
import { type AutoencoderConfig, spatialCompression } from './config.js';
import { Decoder } from './decoder.js';
import { Encoder, type Observer } from './encoder.js';
import { DiagonalGaussian } from './posterior.js';
import { type TileAxis, type TilingOptions, tileAxis, tiled, tileStarts } from './tiling.js';

// frames, or latent frames, per chunk: fixed in the reference
const ENCODE_CHUNK = 8;
const DECODE_CHUNK = 2;

/** One half of the network applied to one chunk. */
type ChunkFn = (chunk: Tensor, cache: ConvCache, observe?: Observer) => Tensor;

export class Autoencoder extends Module {
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  private tiling: TilingOptions | null = null;

  constructor(readonly config: AutoencoderConfig) {
    super();
    this.encoder = this.child('encoder', new Encoder(config));
    this.decoder = this.child('decoder', new Decoder(config));
  }

  /** Side of a latent pixel, in pixels. */
  get spatialCompression(): number {
    return spatialCompression(this.config);
  }

  /**
   * @param video [B, C, F, H, W] in [−1, 1]
   * @returns the distribution of the latents, unscaled
   */
  encode(video: Tensor, observe?: Observer): DiagonalGaussian {
    const { in_channels: channels } = this.config;
    const [, , , h, w] = expectClip('Autoencoder.encode: video', video, channels);
    const run = (tile: Tensor) =>
      inChunks(tile, ENCODE_CHUNK, this.encoder.forward.bind(this.encoder), observe);
    const tiles = this.tiles(h, w, 'encode');
    const x = video.to(this.encoder.convIn.conv.weight.dtype);
    return new DiagonalGaussian(finished(tiles ? tiled(x, tiles, run) : run(x)));
  }

  /**
   * @param latents [B, Cz, f, h, w], unscaled
   * @returns [B, C, F, H, W]; an even f gives F = 4f frames (with the usual temporal compression)
   */
  decode(latents: Tensor, observe?: Observer): Tensor {
    return finished(this.decodeInSteps(latents, observe));
  }

  /**
   * `decode` in pieces, for a caller that shows progress or may stop: it yields after each of
   * `decodeSteps`. A caller that stops early must call `return()`, which frees the tensors.
   */
  *decodeInSteps(latents: Tensor, observe?: Observer): Generator<void, Tensor> {
    const { latent_channels: channels } = this.config;
    const [, , , h, w] = expectClip('Autoencoder.decode: latents', latents, channels);
    const run = (tile: Tensor) =>
      inChunks(tile, DECODE_CHUNK, this.decoder.forward.bind(this.decoder), observe);
    const tiles = this.tiles(h, w, 'decode');
    const x = viewOf(latents.to(this.decoder.convIn.conv.weight.dtype)).keep();
    try {
      return yield* tiles ? tiled(x, tiles, run) : run(x);
    } finally {
      x.dispose();
    }
  }

  /** See the function `decodeSteps`. */
  decodeSteps(latents: readonly number[]): DecodeSteps {
    return decodeSteps(this.config, this.tiling, latents);
  }

  /** From now on, pictures larger than a tile are processed in tiles. */
  enableTiling(options: Partial<TilingOptions> = {}): void {
    const own = defaultTiling(this.config);
    this.tiling = {
      tileSampleMinHeight: options.tileSampleMinHeight ?? own.tileSampleMinHeight,
      tileSampleMinWidth: options.tileSampleMinWidth ?? own.tileSampleMinWidth,
      tileOverlapFactorHeight: options.tileOverlapFactorHeight ?? own.tileOverlapFactorHeight,
      tileOverlapFactorWidth: options.tileOverlapFactorWidth ?? own.tileOverlapFactorWidth,
    };
  }

  disableTiling(): void {
    this.tiling = null;
  }

  private tiles(h: number, w: number, direction: Direction) {
    return tilesOf(this.config, this.tiling, [h, w], direction);
  }
}

/** The reference's default tiling. */
export function defaultTiling({ sample_height, sample_width }: AutoencoderConfig): TilingOptions {
  return {
    tileSampleMinHeight: Math.floor(sample_height / 2),
    tileSampleMinWidth: Math.floor(sample_width / 2),
    tileOverlapFactorHeight: 1 / 6,
    tileOverlapFactorWidth: 1 / 5,
  };
}

type Direction = 'encode' | 'decode';

/** The tiling of both axes, in pixels or latent pixels; null if the picture is not cut. */
function tilesOf(
  config: AutoencoderConfig,
  tiling: TilingOptions | null,
  [h, w]: readonly [number, number],
  direction: Direction,
) {
  if (!tiling) return null;
  const axis = (size: number, sampleTile: number, overlap: number) => {
    const latentTile = Math.trunc(sampleTile / spatialCompression(config));
    const [from, to] = direction === 'encode' ? [sampleTile, latentTile] : [latentTile, sampleTile];
    return { exceeds: size > from, ...tileAxis(from, to, overlap) };
  };
  const vertical = axis(h, tiling.tileSampleMinHeight, tiling.tileOverlapFactorHeight);
  const horizontal = axis(w, tiling.tileSampleMinWidth, tiling.tileOverlapFactorWidth);
  return vertical.exceeds || horizontal.exceeds ? { vertical, horizontal } : null;
}

/** The amount of work in decoding; areas in latent pixels. */
export interface DecodeSteps {
  /** tiles times chunks */
  steps: number;
  /** area of the largest tile */
  tileArea: number;
  /** total area of all tiles, overlaps included */
  area: number;
}

/** The steps in which latents of shape [B, Cz, f, h, w] are decoded. */
export function decodeSteps(
  config: AutoencoderConfig,
  tiling: TilingOptions | null,
  [, , f, h, w]: readonly number[],
): DecodeSteps {
  const tiles = tilesOf(config, tiling, [h!, w!], 'decode');
  const chunks = Math.max(Math.floor(f! / DECODE_CHUNK), 1);
  if (!tiles) return { steps: chunks, tileArea: h! * w!, area: h! * w! };
  const sides = (length: number, axis: TileAxis) =>
    tileStarts(length, axis).map((start) => Math.min(axis.tile, length - start));
  const [heights, widths] = [sides(h!, tiles.vertical), sides(w!, tiles.horizontal)];
  const sum = (lengths: number[]) => lengths.reduce((a, b) => a + b, 0);
  return {
    steps: heights.length * widths.length * chunks,
    tileArea: Math.max(...heights) * Math.max(...widths),
    area: sum(heights) * sum(widths),
  };
}

/**
 * Applies `fn` to a clip [B, C, T, H, W] in chunks of `size` frames; the first chunk also takes the
 * remainder of the division. It yields after every chunk, and frees its tensors at the end.
 */
function* inChunks(
  clip: Tensor,
  size: number,
  fn: ChunkFn,
  observe?: Observer,
): Generator<void, Tensor> {
  const total = clip.size(2);
  const count = Math.max(Math.floor(total / size), 1);
  const remainder = total % size;
  const shown = new Map<string, Tensor[]>();
  const collect: Observer | undefined =
    observe &&
    ((name, output) => void shown.set(name, [...(shown.get(name) ?? []), output.keep()]));

  const cache: ConvCache = new Map();
  const outputs: Tensor[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const start = i === 0 ? 0 : i * size + remainder;
      tidy(() => {
        const chunk = clip.slice(2, start, Math.min((i + 1) * size + remainder, total));
        outputs.push(fn(chunk, cache, collect).keep());
      });
      yield;
    }
    for (const [name, parts] of shown) observe?.(name, cat(parts, 2));
    return outputs.length === 1 ? viewOf(outputs[0]!) : cat(outputs, 2);
  } finally {
    for (const tensor of [...outputs, ...cache.values(), ...[...shown.values()].flat()]) {
      tensor.dispose();
    }
  }
}

/** A view of the whole tensor with a handle of its own, so that each can be freed separately. */
const viewOf = (x: Tensor): Tensor => x.narrow(0, 0, x.size(0));

/** Runs a generator to its end without pausing, and returns its result. */
function finished<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

function expectClip(what: string, x: Tensor, channels: number): number[] {
  const { shape } = x;
  if (shape.length !== 5 || shape[1] !== channels || shape.includes(0)) {
    throw new ShapeError(`${what} must be [B, ${channels}, F, H, W], got [${shape.join(', ')}]`);
  }
  return shape;
}
