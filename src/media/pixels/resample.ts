/**
 * Pillow's `Image.resize` on 8-bit samples, bit for bit.
 *
 * The filters are separable and antialiased: their support grows with the reduction. Weights are 22-bit
 * fixed point; the horizontal pass comes first; each pass is rounded and clipped to 0..255; a side that
 * keeps its size is not filtered.
 * Source: behaviour of Pillow 10.4 (8 bits a channel), pinned by test/media/pixels/fixtures. Pillow
 *    13 runs the vertical pass first in some reductions and then differs by single steps.
 */
import { InputError } from '../../errors.js';

export const RESAMPLE_FILTERS = ['nearest', 'box', 'bilinear', 'bicubic', 'lanczos'] as const;
export type ResampleFilter = (typeof RESAMPLE_FILTERS)[number];

/** Layout of the samples: `count` pictures of [height, width, channels]. */
export interface SampleLayout {
  count: number;
  height: number;
  width: number;
  channels: number;
}

const PRECISION_BITS = 22;

const FILTERS: Record<
  Exclude<ResampleFilter, 'nearest'>,
  { support: number; weight: (x: number) => number }
> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic with a = -0.5 (torch's bicubic without antialiasing has -0.75). */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) {
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/**
 * Resizes `count` pictures to `size`.
 *
 * @returns [count, size.height, size.width, channels]; the input itself if the size is unchanged
 */
export function resample(
  samples: Uint8Array,
  layout: SampleLayout,
  size: { width: number; height: number },
  filter: ResampleFilter,
): Uint8Array {
  const { count, height, width, channels } = layout;
  if (![size.width, size.height].every((side) => Number.isInteger(side) && side > 0)) {
    throw new InputError(
      `resize: size must be whole numbers above 0, got ${size.width}x${size.height}`,
    );
  }
  if (size.width === width && size.height === height) {
    return samples;
  }
  if (filter === 'nearest') {
    return nearest(samples, layout, size);
  }
  let result = samples;
  if (size.width !== width) {
    result = horizontalPass(result, layout, weightsOf(width, size.width, filter));
  }
  if (size.height !== height) {
    const rowLength = size.width * channels;
    result = verticalPass(
      result,
      { count, height, rowLength },
      weightsOf(height, size.height, filter),
    );
  }
  return result;
}

/**
 * For each output sample: the first input sample, the number of samples, and their weights (from
 * index × `stride`).
 */
interface Weights {
  outSize: number;
  first: Int32Array;
  length: Int32Array;
  stride: number;
  fixed: Int32Array;
}

function weightsOf(
  inSize: number,
  outSize: number,
  filter: Exclude<ResampleFilter, 'nearest'>,
): Weights {
  const { support: unit, weight } = FILTERS[filter];
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const support = unit * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const length = new Int32Array(outSize);
  const fixed = new Int32Array(outSize * stride);
  const real = new Float64Array(stride);
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support + 0.5));
    const taps = Math.min(inSize, Math.trunc(center + support + 0.5)) - from;
    let sum = 0;
    for (let i = 0; i < taps; i++) {
      // multiplied by the reciprocal instead of divided, as Pillow does: the last bit matters
      real[i] = weight((i + from - center + 0.5) * (1 / stretch));
      sum += real[i]!;
    }
    for (let i = 0; i < taps; i++) {
      const value = (sum === 0 ? real[i]! : real[i]! / sum) * 2 ** PRECISION_BITS;
      fixed[out * stride + i] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
    first[out] = from;
    length[out] = taps;
  }
  return { outSize, first, length, stride, fixed };
}

const HALF = 1 << (PRECISION_BITS - 1);

/** Storing into this array clips to 0..255, which is faster than comparing. */
const newSamples = (length: number): Uint8ClampedArray<ArrayBuffer> =>
  new Uint8ClampedArray(length);
const asBytes = ({ buffer }: Uint8ClampedArray<ArrayBuffer>): Uint8Array => new Uint8Array(buffer);

function horizontalPass(samples: Uint8Array, layout: SampleLayout, weights: Weights): Uint8Array {
  const { count, height, width, channels } = layout;
  const { outSize, first, length, stride, fixed } = weights;
  const rows = count * height;
  const out = newSamples(rows * outSize * channels);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const rowStart = row * width * channels;
    for (let x = 0; x < outSize; x++) {
      const taps = length[x]!;
      const start = rowStart + first[x]! * channels;
      const weight = x * stride;
      if (channels === 3) {
        // all three colours together, so that each weight is read once
        let red = HALF;
        let green = HALF;
        let blue = HALF;
        for (let i = 0, from = start; i < taps; i++, from += 3) {
          const w = fixed[weight + i]!;
          red = (red + Math.imul(samples[from]!, w)) | 0;
          green = (green + Math.imul(samples[from + 1]!, w)) | 0;
          blue = (blue + Math.imul(samples[from + 2]!, w)) | 0;
        }
        out[at] = red >> PRECISION_BITS;
        out[at + 1] = green >> PRECISION_BITS;
        out[at + 2] = blue >> PRECISION_BITS;
        at += 3;
        continue;
      }
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        for (let i = 0, from = start + c; i < taps; i++, from += channels) {
          sum = (sum + Math.imul(samples[from]!, fixed[weight + i]!)) | 0;
        }
        out[at++] = sum >> PRECISION_BITS;
      }
    }
  }
  return asBytes(out);
}

/** Row by row, so that memory is read in order; four rows at a time, so that sums are rarely stored. */
function verticalPass(
  samples: Uint8Array,
  { count, height, rowLength }: { count: number; height: number; rowLength: number },
  { outSize, first, length, stride, fixed }: Weights,
): Uint8Array {
  const out = newSamples(count * outSize * rowLength);
  const sums = new Int32Array(rowLength);
  for (let picture = 0; picture < count; picture++) {
    for (let y = 0; y < outSize; y++) {
      const taps = length[y]!;
      const from = (picture * height + first[y]!) * rowLength;
      const to = (picture * outSize + y) * rowLength;
      sums.fill(HALF);
      for (let i = 0; i < taps; i += 4) {
        // if fewer than four are left, the others get weight 0
        const row = (k: number) => from + Math.min(i + k, taps - 1) * rowLength;
        const weight = (k: number) => (i + k < taps ? fixed[y * stride + i + k]! : 0);
        const [a, b, c, d] = [row(0), row(1), row(2), row(3)];
        const [v, w, p, q] = [weight(0), weight(1), weight(2), weight(3)];
        const last = i + 4 >= taps;
        for (let x = 0; x < rowLength; x++) {
          const sum =
            (sums[x]! +
              Math.imul(samples[a + x]!, v) +
              Math.imul(samples[b + x]!, w) +
              Math.imul(samples[c + x]!, p) +
              Math.imul(samples[d + x]!, q)) |
            0;
          if (last) out[to + x] = sum >> PRECISION_BITS;
          else sums[x] = sum;
        }
      }
    }
  }
  return asBytes(out);
}

function nearest(
  samples: Uint8Array,
  { count, height, width, channels }: SampleLayout,
  size: { width: number; height: number },
): Uint8Array {
  const columns = nearestIndices(width, size.width);
  const rows = nearestIndices(height, size.height);
  const out = new Uint8Array(count * size.height * size.width * channels);
  let at = 0;
  for (let picture = 0; picture < count; picture++) {
    for (const y of rows) {
      const rowStart = (picture * height + y) * width;
      for (const x of columns) {
        for (let c = 0; c < channels; c++) {
          out[at++] = samples[(rowStart + x) * channels + c]!;
        }
      }
    }
  }
  return out;
}

function nearestIndices(inSize: number, outSize: number): Int32Array {
  const step = inSize / outSize;
  const indices = new Int32Array(outSize);
  // accumulated as Pillow does, because the rounding of the sum decides ties
  for (let i = 0, position = step * 0.5; i < outSize; i++, position += step) {
    indices[i] = Math.min(inSize - 1, Math.trunc(position));
  }
  return indices;
}
