/**
 * A rough picture of latents, without the decoder: red, green and blue as a linear function of the
 * latent channels. The function is fitted to the pipeline's own autoencoder, which encodes a clip of
 * coloured patches once.
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
/** Side of a patch in latent pixels: smaller ones would say more of edges than of colours. */
const PATCH = 3;

/** Fits the colours of an autoencoder's latents. */
export function fitColours(autoencoder: Autoencoder): LatentColours {
  const side = autoencoder.spatialCompression;
  const clip = patches(side * PATCH);
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

/** A still clip of patches in random colours, gray ones among them. */
function patches(side: number): Frames {
  const { width, height, numFrames } = CLIP;
  const random = new RandomStream(0, 'preview');
  const columns = Math.ceil(width / side);
  const colours = Array.from({ length: columns * Math.ceil(height / side) }, () => {
    const value = () => Math.floor(random.between(0, 256));
    const gray = value();
    return random.chance(1 / 3) ? [gray, gray, gray] : [value(), value(), value()];
  });
  const data = new Uint8Array(numFrames * height * width * 3);
  for (let i = 0; i < data.length / 3; i++) {
    const x = i % width;
    const y = Math.floor(i / width) % height;
    data.set(colours[Math.floor(y / side) * columns + Math.floor(x / side)]!, 3 * i);
  }
  return { width, height, numFrames, data };
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
