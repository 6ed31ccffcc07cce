/** Rotary position tables over the latent grid of frames, rows and columns. */
import { ShapeError } from '../../errors.js';
import type { RopeTable } from '../../nn/fused.js';
import { arange, cat, stack, type Tensor, tensor } from '../../tensor/index.js';

/** Tokens along time, height and width. */
export type TokenGrid = [frames: number, height: number, width: number];

/** Base of the rotary wavelengths. Source: reference implementation */
const THETA = 10_000;

/**
 * The table of a grid: 2/8 of the head width encode time, 3/8 the row and 3/8 the column.
 * Frequencies and angles are float32, as in the reference implementation.
 *
 * @returns cos and sin in [L, K, 2], tokens ordered frame, row, column
 */
export function ropeEmbedding(grid: TokenGrid, headDim: number, device = 'cpu'): Tensor {
  const widths = [headDim / 4, (headDim / 8) * 3, (headDim / 8) * 3];
  // [n, width] each; only these go to the device, not the table of all tokens
  const angles = grid.map((length, axis) => axisAngles(length, widths[axis]).to(device));
  const [f, h, w] = grid;
  const all = cat(
    [
      angles[0].view([f, 1, 1, widths[0]]).expand([f, h, w, widths[0]]),
      angles[1].view([1, h, 1, widths[1]]).expand([f, h, w, widths[1]]),
      angles[2].view([1, 1, w, widths[2]]).expand([f, h, w, widths[2]]),
    ],
    -1,
  ).view([f * h * w, headDim]);
  return stack([all.cos(), all.sin()], -1);
}

/**
 * Converts cos and sin to the form that the attention layers use.
 *
 * @param embedding   [L, K, 2] or [B, L, K, 2], cos and sin last
 * @throws ShapeError for any other rank
 */
export function ropeTable(embedding: Tensor): RopeTable {
  if (embedding.shape.at(-1) !== 2 || embedding.ndim < 3 || embedding.ndim > 4) {
    throw new ShapeError(
      `ropeTable: the embedding must be [L, K, 2] or [B, L, K, 2], got [${embedding.shape.join(', ')}]`,
    );
  }
  const batched = embedding.ndim === 3 ? embedding.unsqueeze(0) : embedding;
  const [cos, sin] = [0, 1].map((i) => batched.select(-1, i).to('float32').unsqueeze(2));
  const width = embedding.size(-2);
  const signs = tensor([-1, 1], { device: embedding.device }).repeat([width / 2]);
  const signedSin = sin.mul(signs);
  return { cos: cos.contiguous(), signedSin };
}

/** Angles by position and channel of one axis, shared by pairs of channels. [n, width] */
function axisAngles(length: number, width: number): Tensor {
  const exponents = arange(0, width, 2, { dtype: 'float32' }).div(width);
  const frequencies = tensor(THETA).pow(exponents).reciprocal();
  const positions = arange(0, length, 1, { dtype: 'float32' });
  const angles = positions.unsqueeze(1).mul(frequencies); // [n, width / 2]
  return angles.repeatInterleave(2, 1);
}
