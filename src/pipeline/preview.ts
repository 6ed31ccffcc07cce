/**
 * A rough picture of latents, without the decoder: red, green and blue as a linear function of the
 * latent channels. The function is fitted to the pipeline's own autoencoder, which encodes a clip of
 * soft colours once.
 */
import { RandomStream } from '../data/random.js';
import { type Frames, framesToTensor } from '../media/index.js';
import type { Autoencoder } from '../models/autoencoder/index.js';
import { noGrad, type Tensor, tidy } from '../tensor/index.js';
import { toModelLatents } from './latents.js';

/** Weights [3][C + 1] of red, green and blue in 0..255; the last one is added to the products. */
export type LatentColours = readonly (readonly number[])[];

/** The clip that colours are fitted to: few pixels, as the encoder of a large pipeline is slow. */
const CLIP = { width: 96, height: 96, numFrames: 5 };

/** Fits the colours of an autoencoder's latents. */
export function fitColours(autoencoder: Autoencoder): LatentColours {
  const side = autoencoder.spatialCompression;
  const clip = softClip();
  const { values, shape } = noGrad(() =>
    tidy(() => {
      const latents = toModelLatents(autoencoder.encode(framesToTensor(clip)).mode());
      return { values: latents.toFloat32Array().slice(), shape: latents.shape };
    }),
  );
  const [, channels, f, h, w] = shape as [number, number, number, number, number];
  const plane = f * h * w;
  const rows = Array.from({ length: plane }, (_, i) => [
    ...Array.from({ length: channels }, (_, c) => values[c * plane + i]!),
    1,
  ]);
  // nothing in the clip moves, so its frames are the same at all times
  const seen = Array.from({ length: plane }, (_, i) => {
    const place = i % (h * w);
    return meanColour(clip, (place % w) * side, Math.floor(place / w) * side, side);
  });
  return [0, 1, 2].map((colour) =>
    leastSquares(
      rows,
      seen.map((rgb) => rgb[colour]!),
    ),
  );
}

/** Latents [1, C, f, h, w] as pictures of h × w pixels. */
export function coloursOf(latents: Tensor, colours: LatentColours): Frames {
  const [, channels, numFrames, height, width] = latents.shape as [
    ...[number, number, number, number, number],
  ];
  const values = latents.toFloat32Array();
  const plane = numFrames * height * width;
  const data = new Uint8ClampedArray(plane * 3);
  for (let i = 0; i < plane; i++) {
    for (const [colour, weights] of colours.entries()) {
      let sum = weights[channels]!;
      for (let c = 0; c < channels; c++) sum += weights[c]! * values[c * plane + i]!;
      data[3 * i + colour] = sum;
    }
  }
  return { width, height, numFrames, data: new Uint8Array(data.buffer) };
}

/**
 * A still clip whose colours vary as those of pictures do: the coarser, the more, and brightness more
 * than hue.
 */
function softClip(): Frames {
  const { width, height, numFrames } = CLIP;
  const random = new RandomStream(1, 'preview');
  const plane = () => softPlane(random);
  const [light, warm, green] = [plane(), plane(), plane()];
  const data = new Uint8ClampedArray(numFrames * height * width * 3);
  for (let i = 0; i < data.length / 3; i++) {
    const place = i % (width * height);
    const [l, w, g] = [light[place]!, warm[place]!, green[place]!];
    data.set(
      [l + w - g / 2, l + g, l - w - g / 2].map((value) => 128 + 100 * value),
      3 * i,
    );
  }
  return { width, height, numFrames, data: new Uint8Array(data.buffer) };
}

/** Smooth noise of several scales, each as strong as it is coarse; most of it within -1..1. */
function softPlane(random: RandomStream): Float32Array {
  const { width, height } = CLIP;
  const plane = new Float32Array(width * height);
  for (const cells of [3, 6, 12]) {
    const knots = Array.from({ length: (cells + 1) ** 2 }, () => random.between(-1, 1));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [right, down] = [(x / width) * cells, (y / height) * cells];
        const [i, j] = [Math.floor(right), Math.floor(down)];
        const row = (k: number) =>
          knots[k * (cells + 1) + i]! * (1 - right + i) +
          knots[k * (cells + 1) + i + 1]! * (right - i);
        plane[y * width + x]! += (3 / cells) * (row(j) * (1 - down + j) + row(j + 1) * (down - j));
      }
    }
  }
  return plane;
}

/** The mean colour of a square of the first frame. */
function meanColour({ width, data }: Frames, left: number, top: number, side: number): number[] {
  const sums = [0, 0, 0];
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) {
      for (let c = 0; c < 3; c++) sums[c]! += data[3 * (y * width + x) + c]!;
    }
  }
  return sums.map((sum) => sum / side ** 2);
}

/** A share of the diagonal that is added to it, for channels that hardly differ. */
const RIDGE = 1e-4;

/** The weights for which the sum over `rows` of (row · weights − value)² is least. */
function leastSquares(rows: readonly number[][], values: readonly number[]): number[] {
  const size = rows[0]!.length;
  // normal equations, with the right side as the last column
  const matrix = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (_, j) =>
      rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0),
    ),
    rows.reduce((sum, row, k) => sum + row[i]! * values[k]!, 0),
  ]);
  for (let i = 0; i < size; i++) matrix[i]![i]! *= 1 + RIDGE;
  // Gaussian elimination; the matrix is positive definite, so no rows need to be exchanged
  for (let i = 0; i < size; i++) {
    for (let k = i + 1; k < size; k++) {
      const factor = matrix[k]![i]! / matrix[i]![i]!;
      for (let j = i; j <= size; j++) matrix[k]![j]! -= factor * matrix[i]![j]!;
    }
  }
  const weights = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    let rest = matrix[i]![size]!;
    for (let j = i + 1; j < size; j++) rest -= matrix[i]![j]! * weights[j]!;
    weights[i] = rest / matrix[i]![i]!;
  }
  return weights;
}
