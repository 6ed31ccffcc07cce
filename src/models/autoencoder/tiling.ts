/** Cutting a large picture into overlapping tiles and blending their outputs. */
import { InputError } from '../../errors.js';
import { arange, cat, type Tensor, tidy } from '../../tensor/index.js';

/** How large pictures are cut into tiles; sizes in pixels, overlaps as fractions of a tile. */
export interface TilingOptions {
  tileSampleMinHeight: number;
  tileSampleMinWidth: number;
  tileOverlapFactorHeight: number;
  tileOverlapFactorWidth: number;
}

/** One axis of a tiling; `tile` and `stride` in units of the input, the rest in the output's. */
export interface TileAxis {
  tile: number;
  stride: number;
  blend: number;
  /** how much of each output tile is kept */
  keep: number;
}

/**
 * Rounds as the reference does: all values are truncated, those of input and output independently.
 *
 * @throws InputError if tiles would not advance by at least one pixel
 */
export function tileAxis(inputTile: number, outputTile: number, overlap: number): TileAxis {
  const blend = Math.trunc(outputTile * overlap);
  const stride = Math.trunc(inputTile * (1 - overlap));
  const keep = outputTile - blend;
  if (stride < 1 || keep < 1) {
    throw new InputError(
      `tiling: tiles must advance by at least one latent pixel, got tiles of ${inputTile} with an overlap of ${overlap}; use larger tiles or less overlap`,
    );
  }
  return { tile: inputTile, stride, blend, keep };
}

/** Where tiles start along an axis of `length`. */
export function tileStarts(length: number, { stride }: TileAxis): number[] {
  return Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride);
}

/**
 * Runs `fn` on every tile of x [B, C, T, H, W] and joins the results. Each tile is blended with the
 * one above, then with the one to the left, both of which have been blended before. It yields
 * whenever `fn` does, and frees its tensors at the end.
 */
export function* tiled(
  x: Tensor,
  { vertical, horizontal }: { vertical: TileAxis; horizontal: TileAxis },
  fn: (tile: Tensor) => Generator<void, Tensor>,
): Generator<void, Tensor> {
  const [, , , h, w] = x.dims(5);
  const rows: Tensor[] = [];
  let above: Tensor[] = [];
  let row: Tensor[] = [];
  try {
    for (const i of tileStarts(h, vertical)) {
      for (const j of tileStarts(w, horizontal)) {
        const band = x.slice(3, i, Math.min(i + vertical.tile, h));
        const part = band.slice(4, j, Math.min(j + horizontal.tile, w)).keep();
        let made: Tensor;
        try {
          made = yield* fn(part);
        } finally {
          part.dispose();
        }
        const tile = tidy(() => {
          let blended = made;
          if (i > 0) blended = blend(above[row.length]!, blended, 3, vertical.blend);
          if (j > 0) blended = blend(row[row.length - 1]!, blended, 4, horizontal.blend);
          return blended;
        });
        if (tile !== made) made.dispose();
        row.push(tile.keep());
      }
      const kept = () => row.map((tile) => head(head(tile, 3, vertical.keep), 4, horizontal.keep));
      rows.push(tidy(() => cat(kept(), 4)).keep());
      for (const tile of above) tile.dispose();
      above = row;
      row = [];
    }
    return cat(rows, 3);
  } finally {
    for (const tensor of [...above, ...row, ...rows]) tensor.dispose();
  }
}

/** The first `count` along `dim`, or all if there are fewer. */
function head(x: Tensor, dim: number, count: number): Tensor {
  return x.narrow(dim, 0, Math.min(count, x.size(dim)));
}

/** `current`, with its first `wanted` lines along `dim` faded in over the last of `previous`. */
function blend(previous: Tensor, current: Tensor, dim: number, wanted: number): Tensor {
  const extent = Math.min(previous.size(dim), current.size(dim), wanted);
  if (extent === 0) return current;
  const shape = [1, 1, 1, 1, 1];
  shape[dim] = extent;
  const { device } = current;
  const part = arange(0, extent, 1, { dtype: 'float32', device })
    .div(extent)
    .view(shape)
    .to(current.dtype);
  const faded = previous
    .narrow(dim, previous.size(dim) - extent, extent)
    .mul(part.neg().add(1))
    .add(current.narrow(dim, 0, extent).mul(part));
  const rest = current.narrow(dim, extent, current.size(dim) - extent);
  return cat([faded, rest], dim);
}
