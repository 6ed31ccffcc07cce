/**
 * Token routing: in training, some tokens of each sample skip a range of blocks, and then rejoin the
 * others. Tokens are arranged once, before the first block, such that those that skip blocks come
 * last in each process's part. Blocks do not depend on the order of their tokens, as positions are
 * part of the rotary embedding.
 *
 * Source: Krause et al. 2025, TREAD, arXiv 2501.04765
 */
import type { RopeTable } from '../../nn/fused.js';
import { arange, cat, custom, type Tensor } from '../../tensor/index.js';
import type { Sequence, TokenParts } from './sequence.js';

/** Which tokens skip which blocks. */
export interface TokenRoute {
  /** [B, K] int64: the tokens that skip no block */
  kept: Tensor;
  /** [B, L - K] int64: the others */
  skipping: Tensor;
  /** indices of the first and the last block that are skipped */
  first: number;
  last: number;
}

/** What blocks are told about the tokens that they work on. */
export interface TokenSpan {
  /** for this process's tokens */
  rope: RopeTable | null;
  /** how the tokens are split over processes */
  parts: TokenParts | null;
  /** [B, n] int64: the place of each token in its sample, over all processes; null: in order */
  places: Tensor | null;
}

export class Routing {
  /** all tokens, and those that skip no block */
  readonly all: TokenSpan;
  readonly kept: TokenSpan;
  /** the number of this process's tokens that skip no block */
  private readonly ownKept: number;
  /** [B · L] int64: where each arranged token comes from, and where each token goes */
  private readonly rows: Tensor;
  private readonly rowsBack: Tensor;

  constructor(
    readonly route: TokenRoute,
    { rope, sequence }: { rope: RopeTable | null; sequence: Sequence | null },
  ) {
    const { kept, skipping } = route;
    const [b, keptCount] = kept.dims(2);
    const tokens = keptCount + skipping.size(1);
    const parts = sequence?.parts(tokens) ?? null;
    const keptParts = sequence?.parts(keptCount) ?? null;

    // by process: kept, skipping, kept, skipping, …
    const sizes = parts?.sizes ?? [tokens];
    const keptSizes = keptParts?.sizes ?? [keptCount];
    const skippingSizes = sizes.map((size, i) => size - keptSizes[i]!);
    const skippingPieces = skipping.splitWithSizes(skippingSizes, 1);
    const places = cat(
      kept.splitWithSizes(keptSizes, 1).flatMap((piece, i) => [piece, skippingPieces[i]!]),
      1,
    );
    const starts = arange(0, b * tokens, tokens, { dtype: 'int64', device: kept.device }).view([
      b,
      1,
    ]);
    this.rows = places.add(starts).flatten();
    this.rowsBack = this.rows.sort()[1];

    const arranged = (table: Tensor) =>
      this.arrange(table.expand([b, -1, -1, -1]), parts).contiguous();
    this.all = { rope: mapRope(rope, arranged), parts, places };
    this.ownKept = keptParts ? keptParts.split(kept).size(1) : keptCount;
    const firstOnes = (table: Tensor) => table.narrow(1, 0, this.ownKept).contiguous();
    this.kept = { rope: mapRope(this.all.rope, firstOnes), parts: keptParts, places: kept };
  }

  /** [B, L, …] in order → this process's part, arranged, [B, l, …] */
  arrange(whole: Tensor, parts = this.all.parts): Tensor {
    const arranged = moveRows(whole, this.rows, this.rowsBack);
    return parts ? parts.split(arranged) : arranged;
  }

  /** arranged tokens of all processes, [B, L, C] → in order */
  restore(arranged: Tensor): Tensor {
    return moveRows(arranged, this.rowsBack, this.rows);
  }

  /**
   * Runs blocks on the tokens that do not skip them: [B, l, D] → [B, l, D]
   * @param blocks   [B, k, D] → [B, k, D]
   */
  bypass(arranged: Tensor, blocks: (kept: Tensor) => Tensor): Tensor {
    const skipping = arranged.size(1) - this.ownKept;
    const kept = blocks(arranged.narrow(1, 0, this.ownKept).contiguous());
    return cat([kept, arranged.narrow(1, this.ownKept, skipping)], 1);
  }
}

/** Applies the same to cosines and sines. */
export const mapRope = (
  rope: RopeTable | null,
  change: (table: Tensor) => Tensor,
): RopeTable | null => rope && { cos: change(rope.cos), signedSin: change(rope.signedSin) };

/** Rows of x [B, L, …] in another order; the gradient is copied back, not added up. */
function moveRows(x: Tensor, from: Tensor, back: Tensor): Tensor {
  const move = (t: Tensor, rows: Tensor) =>
    t.flatten(0, 1).indexSelect(0, rows.to(t.device)).view(x.shape);
  return custom(
    x,
    (t) => move(t, from),
    (gradient) => move(gradient, back),
  );
}
