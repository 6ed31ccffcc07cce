/** The loss of JPEG compression, without a file: a quantised cosine transform of 8x8 blocks. */
import type { Frames } from '../media/index.js';

const SIDE = 8;

/** Quantisation tables for luma and chroma, row by row. Source: ITU-T T.81, annex K, tables K.1 and K.2 */
const LUMA = [
  ...[16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55],
  ...[14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62],
  ...[18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92],
  ...[49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99],
];
const CHROMA = [
  ...[17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99],
  ...[24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99],
  ...new Array<number>(32).fill(99),
];

/** WAVES[k * 8 + n]: the k-th cosine at n, scaled so that the matrix is orthogonal. */
const WAVES = Float32Array.from({ length: 64 }, (_, i) => {
  const [k, n] = [i >> 3, i & 7];
  return (k === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * n + 1) * k * Math.PI) / 16);
});

/** The transpose of WAVES, which is its inverse. */
const BACK = Float32Array.from({ length: 64 }, (_, i) => WAVES[(i & 7) * 8 + (i >> 3)]!);

/**
 * Frames as a JPEG of this quality shows them, 4:4:4.
 *
 * @param quality   1 (worst) to 100, as libjpeg counts
 */
export function compress({ width, height, numFrames, data }: Frames, quality: number): Frames {
  const scale = quality < 50 ? 50 / quality : 2 - quality / 50;
  const steps = [LUMA, CHROMA, CHROMA].map((table) =>
    Float32Array.from(table, (step) => Math.min(255, Math.max(1, Math.round(step * scale)))),
  );
  const result = new Uint8ClampedArray(data.length);
  const blocks = [new Float32Array(64), new Float32Array(64), new Float32Array(64)];
  const scratch = new Float32Array(64);
  for (let frame = 0; frame < numFrames; frame++) {
    const start = frame * width * height;
    for (let top = 0; top < height; top += SIDE) {
      for (let left = 0; left < width; left += SIDE) {
        for (let i = 0; i < 64; i++) {
          // blocks that reach over the edge repeat its pixels
          const y = Math.min(height - 1, top + (i >> 3));
          const p = 3 * (start + y * width + Math.min(width - 1, left + (i & 7)));
          const [r, g, b] = [data[p]!, data[p + 1]!, data[p + 2]!];
          // rounded, as JPEG transforms bytes
          blocks[0]![i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b) - 128;
          blocks[1]![i] = Math.round(-0.168736 * r - 0.331264 * g + 0.5 * b);
          blocks[2]![i] = Math.round(0.5 * r - 0.418688 * g - 0.081312 * b);
        }
        for (let c = 0; c < 3; c++) quantise(blocks[c]!, steps[c]!, scratch);
        for (let i = 0; i < 64; i++) {
          const [y, x] = [top + (i >> 3), left + (i & 7)];
          if (y >= height || x >= width) continue;
          const p = 3 * (start + y * width + x);
          const [luma, cb, cr] = [blocks[0]![i]! + 128, blocks[1]![i]!, blocks[2]![i]!];
          result[p] = luma + 1.402 * cr;
          result[p + 1] = luma - 0.344136 * cb - 0.714136 * cr;
          result[p + 2] = luma + 1.772 * cb;
        }
      }
    }
  }
  return { width, height, numFrames, data: new Uint8Array(result.buffer) };
}

/** Transforms a block, quantises its coefficients, and transforms it back, in place. */
function quantise(block: Float32Array, steps: Float32Array, scratch: Float32Array): void {
  alongRows(WAVES, block, scratch);
  alongRows(WAVES, scratch, block);
  for (let i = 0; i < 64; i++) block[i] = Math.round(block[i]! / steps[i]!) * steps[i]!;
  alongRows(BACK, block, scratch);
  alongRows(BACK, scratch, block);
}

/** out = waves xᵀ; applied twice, it gives waves x wavesᵀ. */
function alongRows(waves: Float32Array, x: Float32Array, out: Float32Array): void {
  for (let j = 0; j < 64; j += 8) {
    const [a, b, c, d] = [x[j]!, x[j + 1]!, x[j + 2]!, x[j + 3]!];
    const [e, f, g, h] = [x[j + 4]!, x[j + 5]!, x[j + 6]!, x[j + 7]!];
    for (let k = 0, row = j >> 3; k < 64; k += 8, row += 8) {
      out[row] =
        waves[k]! * a +
        waves[k + 1]! * b +
        waves[k + 2]! * c +
        waves[k + 3]! * d +
        waves[k + 4]! * e +
        waves[k + 5]! * f +
        waves[k + 6]! * g +
        waves[k + 7]! * h;
    }
  }
}
