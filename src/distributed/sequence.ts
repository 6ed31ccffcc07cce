/**
 * Sequence parallelism: the processes of a group share the tokens of each sample. For attention they
 * exchange tokens for heads: outside attention each process has some of the tokens with all heads,
 * inside it all tokens with some of the heads.
 *
 * All of them compute the same loss, from the joined output. Each process therefore has the
 * complete gradient of the output and keeps the part for its own tokens, so the parameter gradients
 * it computes are the contribution of these tokens. Parameter gradients are thus summed over the
 * processes of a group just as over processes with other samples, without any factor.
 *
 * Source: Jacobs et al. 2023, "DeepSpeed Ulysses", arXiv 2309.14509
 */
import { InputError } from '../errors.js';
import { bytesPerElement, cat, custom, stack, type Tensor, tensor } from '../tensor/index.js';
import { CostMeter } from './cost.js';
import type { ProcessGroup } from './process-group.js';
import { allGatherBytes, allToAllBytes } from './traffic.js';

export class SequenceGroup {
  readonly meter = new CostMeter();

  private constructor(private readonly group: ProcessGroup) {}

  /**
   * Divides `group` into sequence groups of `size` neighbouring ranks; all ranks of `group` must
   * call it. Sequence groups have their own connections, since they communicate during the backward
   * pass, while gradient sums are in flight.
   *
   * @throws InputError unless `size` divides the number of processes
   */
  static async create(group: ProcessGroup, size: number): Promise<SequenceGroup> {
    if (!Number.isInteger(size) || size < 1 || group.size % size !== 0) {
      throw new InputError(
        `sequenceParallel: must divide the number of processes (${group.size}), got ${size}`,
      );
    }
    const first = group.rank - (group.rank % size);
    const ranks = Array.from({ length: size }, (_, i) => first + i);
    return new SequenceGroup(await group.subgroup(ranks));
  }

  get rank(): number {
    return this.group.rank;
  }
  get size(): number {
    return this.group.size;
  }

  /** @throws InputError if there are fewer tokens than processes */
  parts(tokens: number): TokenParts {
    if (tokens < this.size) {
      throw new InputError(
        `sequenceParallel: must be at most the number of tokens of a sample (${tokens}), got ${this.size}`,
      );
    }
    return new TokenParts(this, tokens);
  }

  /** All-to-all, [P, …] → [P, …]: part i goes to, and comes from, process i. Differentiable. */
  exchange(parts: Tensor): Tensor {
    const { group, meter } = this;
    const trade = (x: Tensor) => {
      meter.add(allToAllBytes(group.size, bytesOf(x)));
      return meter.waitForSync(() => group.allToAllSync(x));
    };
    return custom(parts, trade, trade);
  }

  /**
   * All-gather, […] → [P, …]. Each process takes its part of the gradient, which is equal in all.
   */
  gather(part: Tensor): Tensor {
    const { group, meter } = this;
    return custom(
      part,
      (x) => {
        meter.add(allGatherBytes(group.size, group.size * bytesOf(x)));
        return meter.waitForSync(() => group.allGatherSync(x));
      },
      (gradient) => gradient.select(0, group.rank),
    );
  }

  close(): Promise<void> {
    return this.group.close();
  }
}

/**
 * The division of `tokens` among P processes. The first `tokens % P` processes have one token more
 * than the others, which repeat their last token when sending, so that all send the same amount.
 */
class TokenParts {
  /** P, and the number of tokens in the longest part */
  private readonly size: number;
  private readonly room: number;
  private readonly starts: number[];
  /** the number of tokens of each process */
  readonly sizes: number[];
  /** [L]: each token's place among all parts, padded to `room` tokens; null: no padding needed */
  private readonly places: Tensor | null;
  /** [P · room]: the token at each place */
  private readonly tokensAt: Tensor | null;

  constructor(
    private readonly group: SequenceGroup,
    tokens: number,
  ) {
    const { size } = group;
    this.size = size;
    this.room = Math.ceil(tokens / size);
    const longer = tokens % size;
    const short = Math.floor(tokens / size);
    this.starts = Array.from({ length: size + 1 }, (_, i) => i * short + Math.min(i, longer));
    this.sizes = Array.from({ length: size }, (_, i) => short + (i < longer ? 1 : 0));
    const places: number[] = [];
    const tokensAt: number[] = [];
    for (let rank = 0; rank < size; rank++) {
      const [start, end] = [this.starts[rank]!, this.starts[rank + 1]!];
      for (let i = 0; i < this.room; i++) {
        if (start + i < end) places.push(rank * this.room + i);
        tokensAt.push(Math.min(start + i, end - 1));
      }
    }
    const isEven = longer === 0;
    this.places = isEven ? null : tensor(places, { dtype: 'int64' });
    this.tokensAt = isEven ? null : tensor(tokensAt, { dtype: 'int64' });
  }

  /** [B, L, …] → [B, l, …] */
  split(whole: Tensor): Tensor {
    const start = this.starts[this.group.rank]!;
    return whole.narrow(1, start, this.length).contiguous();
  }

  /** [B, l, C] → [B, L, C] */
  join(part: Tensor): Tensor {
    const all = this.group.gather(this.padded(part)); // [P, B, room, C]
    return this.inOrder(all.transpose(0, 1).flatten(1, 2));
  }

  /** q, k, v [B, N, l, K] → [B, N, l, K]; see the network's `TokenParts` */
  attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
  ): Tensor {
    const { size, room, group } = this;
    const [b, numHeads, , width] = q.dims(4);
    if (numHeads % size !== 0) {
      throw new InputError(
        `sequenceParallel: must divide the network's attention heads (${numHeads}), got ${size}`,
      );
    }
    const heads = numHeads / size;

    // tokens for heads
    const outgoing = [q, k, v].map((x) =>
      this.padded(x.transpose(1, 2)).view([b, room, size, heads, width]).permute([2, 0, 1, 3, 4]),
    );
    const received = group.exchange(stack(outgoing, 1)); // [P, 3, B, room, N / P, K]
    const whole = [0, 1, 2].map((i) =>
      this.inOrder(received.select(1, i).transpose(0, 1).flatten(1, 2)).transpose(1, 2),
    ) as [Tensor, Tensor, Tensor];

    const mixed = attend(...whole).transpose(1, 2); // [B, L, N / P, K]

    // heads for tokens
    const placed = this.tokensAt ? mixed.indexSelect(1, this.tokensAt.to(mixed.device)) : mixed;
    const back = placed.reshape([b, size, room, heads, width]).transpose(0, 1);
    return group
      .exchange(back) // [P, B, room, N / P, K]
      .permute([1, 2, 0, 3, 4])
      .reshape([b, room, numHeads, width])
      .narrow(1, 0, this.length)
      .transpose(1, 2);
  }

  private get length(): number {
    return this.sizes[this.group.rank]!;
  }

  /** [B, l, …] → [B, room, …] */
  private padded(part: Tensor): Tensor {
    const { length, room } = this;
    if (length === room) return part.contiguous();
    return cat([part, part.narrow(1, length - 1, 1)], 1);
  }

  /** [B, P · room, …] → [B, L, …] */
  private inOrder(all: Tensor): Tensor {
    return this.places ? all.indexSelect(1, this.places.to(all.device)) : all;
  }
}

const bytesOf = ({ numel, dtype }: Tensor): number => numel * bytesPerElement(dtype);
