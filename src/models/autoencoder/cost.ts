/** The cost of encoding and decoding, counted from the configuration, not measured. */
import { type AutoencoderConfig, temporalLevels } from './config.js';

/** Size of a clip of 4k + 1 frames. */
export interface ClipSize {
  numFrames: number;
  width: number;
  height: number;
}

/** Taps of a 3×3×3 convolution in time and space, and of a 3×3 convolution in space. */
const [VOLUME, AREA] = [27, 9];

/** FLOPs (multiplications plus additions) of the encoder's convolutions. */
export function encodeFlops(config: AutoencoderConfig, clip: ClipSize): number {
  const { block_out_channels: widths, layers_per_block: layers, latent_channels } = config;
  let [frames, area] = [clip.numFrames, clip.width * clip.height];
  let sum = VOLUME * frames * area * config.in_channels * widths[0]!;
  widths.forEach((width, i) => {
    const from = widths[Math.max(i - 1, 0)]!;
    sum += frames * area * (resnet(from, width) + (layers - 1) * resnet(width, width));
    if (i === widths.length - 1) return;
    if (i < temporalLevels(config)) frames = Math.ceil(frames / 2);
    area /= 4;
    sum += frames * area * AREA * width * width;
  });
  const last = widths.at(-1)!;
  sum += frames * area * (2 * resnet(last, last) + VOLUME * last * 2 * latent_channels);
  return 2 * sum;
}

/** FLOPs of the decoder's convolutions. */
export function decodeFlops(config: AutoencoderConfig, clip: ClipSize): number {
  const { layers_per_block, latent_channels: latents } = config;
  const widths = [...config.block_out_channels].reverse();
  const layers = layers_per_block + 1;
  let frames = clip.numFrames;
  for (let i = 0; i < temporalLevels(config); i++) frames = Math.ceil(frames / 2);
  let area = (clip.width * clip.height) / 4 ** (widths.length - 1);
  const latentVolume = frames * area;
  // a norm's scale and shift are computed from the latents, at latent size
  const norm = (width: number) => latentVolume * 2 * latents * width;
  const block = (from: number, to: number) =>
    frames * area * resnet(from, to) + norm(from) + norm(to);

  const [first, last] = [widths[0]!, widths.at(-1)!];
  let sum = latentVolume * VOLUME * latents * first + 2 * block(first, first);
  widths.forEach((width, i) => {
    const from = widths[Math.max(i - 1, 0)]!;
    sum += block(from, width) + (layers - 1) * block(width, width);
    if (i === widths.length - 1) return;
    area *= 4;
    sum += frames * area * AREA * width * width;
    // frames are repeated after that convolution
    if (i < temporalLevels(config)) frames = 2 * frames - 1;
  });
  return 2 * (sum + norm(last) + frames * area * VOLUME * last * config.out_channels);
}

/** Multiplications per voxel in a residual block. */
const resnet = (from: number, to: number): number =>
  VOLUME * (from * to + to * to) + (from === to ? 0 : from * to);
