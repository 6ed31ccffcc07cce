/** The latents that are trained on: encoded once, one sample at a time, and cached on the disk. */
import { createHash } from 'node:crypto';
import { keyOf } from '../../../data/store.js';
import type { Frames } from '../../../media/index.js';
import type { Autoencoder } from '../../../models/autoencoder/index.js';
import type { Module } from '../../../nn/index.js';
import { toModelLatents } from '../../../pipeline/index.js';
import type { Target } from '../../../tasks/index.js';
import { cat, fromArray, noGrad, type Tensor, tidy } from '../../../tensor/index.js';
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
  /** The same of several of one size and length, which is faster; default: one after another. */
  encodeAll?(all: readonly Frames[]): Tensor[];
}

/**
 * Pixels of the samples that are encoded at once, and the most of these samples: measured, more is hardly
 * faster, and takes memory.
 */
const MOST_PIXELS = 8 * 17 * 128 * 128;
const MOST_AT_ONCE = 8;

/** Number of samples of a size and length that are encoded at once. */
export const encodedAtOnce = ({ width, height, numFrames }: Target): number =>
  Math.min(MOST_AT_ONCE, Math.max(1, Math.floor(MOST_PIXELS / (width * height * numFrames))));

/** The latents of samples of one size and length, in their order. */
export function encodeInBatches(encoder: LatentEncoder, all: readonly Frames[]): Tensor[] {
  const { encodeAll } = encoder;
  if (!encodeAll || all.length < 2) return all.map((frames) => encoder.encode(frames));
  const size = encodedAtOnce(all[0]!);
  const count = Math.ceil(all.length / size);
  return Array.from({ length: count }, (_, i) => all.slice(i * size, (i + 1) * size)).flatMap(
    (some) => (some.length === 1 ? [encoder.encode(some[0]!)] : encodeAll(some)),
  );
}

/**
 * An encoder that gives the mode (the most likely latents) of a frozen autoencoder. What a sample's latents
 * are must not depend on what is encoded beside it, as a resumed run meets samples in other company: several
 * are encoded at once only where the first time has shown the same bits as one by one.
 */
export function latentEncoder(autoencoder: Autoencoder): LatentEncoder {
  const { device, dtype } = autoencoder.parameters()[0]!;
  const encoded = (all: readonly Frames[]): Tensor =>
    tidy(() =>
      noGrad(() => {
        const videos = all.map(({ width, height, numFrames, data }) =>
          videoFromBytes(data, [1, numFrames, height, width, 3], device),
        );
        const video = videos.length > 1 ? cat(videos) : videos[0]!;
        const latents = autoencoder.encode(video).mode().to('float32');
        return toModelLatents(latents).to('bfloat16').to('cpu').contiguous();
      }),
    );
  const encode = (frames: Frames) => encoded([frames]);
  const agrees = new Map<string, boolean>();
  return {
    hash: keyOf('autoencoder', hashOfWeights(autoencoder), autoencoder.config),
    encode,
    encodeAll(all) {
      // sums of float32 depend on the number of samples
      const shape = bucketName(all[0]!);
      if (dtype !== 'bfloat16' || agrees.get(shape) === false) return all.map(encode);
      return tidy(() => {
        const together = encoded(all)
          .split(1, 0)
          .map((one) => one.contiguous());
        if (agrees.has(shape)) return together;
        const single = all.map(encode);
        const same = single.every((one, i) => hasSameBits(one, together[i]!));
        agrees.set(shape, same);
        return single;
      });
    },
  };
}

function hasSameBits(a: Tensor, b: Tensor): boolean {
  const [one, other] = [a.data() as Uint16Array, b.data() as Uint16Array];
  return one.every((value, i) => value === other[i]);
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
