/**
 * First-block caching: neighbouring sampling steps change little, and how little can be told after
 * the first block. Where what that block adds is nearly what it added in the last whole pass, what
 * the other blocks added then is used again, and the step costs one block.
 *
 * Source: the idea of TeaCache, Liu et al. 2024, arXiv 2411.19108, with the first block's residual
 * as the measure
 */
import { type Tensor, tidy } from '../../tensor/index.js';

/** What blocks add to their input, of the last whole pass; all [B, L, D]. */
interface Pass {
  first: Tensor;
  others: Tensor;
}

/** For the steps of one sampling; free it with `dispose`. */
export class StepCache {
  private last: Pass | null = null;
  /** whole passes, and passes that used one again */
  readonly counts = { whole: 0, reused: 0 };

  /**
   * @param threshold   the mean change of the first block's part, relative to that part, up to
   *                    which it counts as the same; 0 never does
   */
  constructor(readonly threshold: number) {}

  /**
   * hiddenStates [B, L, D] through all blocks.
   *
   * @param first, others   the first block, and all others together
   */
  run(hiddenStates: Tensor, first: (x: Tensor) => Tensor, others: (x: Tensor) => Tensor): Tensor {
    const afterFirst = first(hiddenStates);
    const added = afterFirst.sub(hiddenStates);
    if (this.last && this.isNear(added, this.last.first)) {
      this.counts.reused++;
      return afterFirst.add(this.last.others);
    }
    const out = others(afterFirst);
    this.dispose();
    this.last = { first: added.keep(), others: out.sub(afterFirst).keep() };
    this.counts.whole++;
    return out;
  }

  dispose(): void {
    this.last?.first.dispose();
    this.last?.others.dispose();
    this.last = null;
  }

  private isNear(now: Tensor, before: Tensor): boolean {
    if (now.shape.join() !== before.shape.join()) return false; // with and without guidance
    return tidy(() => {
      const size = (x: Tensor) => x.to('float32').abs().mean().item();
      return size(now.sub(before)) < this.threshold * size(before);
    });
  }
}
