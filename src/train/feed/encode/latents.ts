/** The latents that are trained on: encoded once, one sample at a time, and cached on the disk. */
import { createHash } from 'node:crypto';
import { keyOf } from '../../../data/store.js';
import type { Frames } from '../../../media/index.js';
import type { Autoencoder } from '../../../models/autoencoder/index.js';
import type { Module } from '../../../nn/index.js';
import { toModelLatents } from '../../../pipeline/index.js';
import type { Target } from '../../../tasks/index.js';
import { fromArray, noGrad, type Tensor, tidy } from '../../../tensor/index.js';
import { bucketName } from '../buckets.js';
import { videoFromBytes } from '../frames-to-video.js';
import { PREPROCESSING } from '../make-sample.js';
import type { SourceItem } from '../sources.js';

/** An autoencoder as the feed uses it. */
export interface LatentEncoder {
  /** identifies its weights: latents of other weights are not used */
  hash: string;
  /** [1, C, f, h, w] bfloat16 on the CPU, in the transformer's scale */
  encode(frames: Frames): Tensor;
}

/** An encoder that gives the mode (the most likely latents) of a frozen autoencoder. */
export function latentEncoder(autoencoder: Autoencoder): LatentEncoder {
  const { device } = autoencoder.parameters()[0]!;
  return {
    hash: keyOf('autoencoder', hashOfWeights(autoencoder), autoencoder.config),
    encode: ({ width, height, numFrames, data }) =>
      tidy(() =>
        noGrad(() => {
          const video = videoFromBytes(data, [1, numFrames, height, width, 3]).to(device);
          const latents = autoencoder.encode(video).mode().to('float32');
          return toModelLatents(latents).to('bfloat16').to('cpu').contiguous();
        }),
      ),
  };
}

/** SHA-256 over names, dtypes, shapes and bytes of all parameters. */
export function hashOfWeights(module: Module): string {
  const hash = createHash('sha256');
  for (const [name, tensor] of module.stateDict()) {
    tidy(() => {
      const plain = tensor.to('cpu').contiguous();
      hash.update(JSON.stringify([name, plain.dtype, plain.shape]));
      const { buffer, byteOffset, byteLength } = plain.data();
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    });
  }
  return hash.digest('hex');
}

/** The key of an item's latents at a size and length. */
export const latentsKey = (item: SourceItem, target: Target, encoder: LatentEncoder): string =>
  keyOf('latents', PREPROCESSING, item.content, bucketName(target), encoder.hash);

export interface StoredLatents {
  latents: Tensor;
  motionScore: number;
}

/**
 * Motion score, five sizes, and four bytes of padding, so that the values begin at a multiple of
 * eight.
 */
const HEADER = 8 + 5 * 4 + 4;

export function packLatents({ latents, motionScore }: StoredLatents): Uint8Array<ArrayBuffer> {
  const { shape } = latents;
  const values = latents.data() as Uint16Array;
  const bytes = new Uint8Array(HEADER + values.byteLength);
  const header = new DataView(bytes.buffer);
  header.setFloat64(0, motionScore, true);
  shape.forEach((size, i) => {
    header.setInt32(8 + 4 * i, size, true);
  });
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), HEADER);
  return bytes;
}

/** Reads what `packLatents` wrote; null if the bytes are not latents. */
export function unpackLatents(bytes: Uint8Array<ArrayBuffer>): StoredLatents | null {
  if (bytes.length < HEADER) return null;
  const header = new DataView(bytes.buffer, bytes.byteOffset);
  const shape = Array.from({ length: 5 }, (_, i) => header.getInt32(8 + 4 * i, true));
  const count = shape.reduce((a, b) => a * b, 1);
  if (bytes.length !== HEADER + 2 * count) return null;
  const values = new Uint16Array(bytes.buffer, bytes.byteOffset + HEADER, count);
  return { latents: fromArray(values, shape, 'bfloat16'), motionScore: header.getFloat64(0, true) };
}
