/**
 * First-block caching: neighbouring sampling steps differ little, and the first block shows by how
 * much. If its residual is nearly the same as in the last full pass, the residual of the other
 * blocks from that pass is reused, and the step costs only one block.
 *
 * Source: the idea of TeaCache, Liu et al. 2024, arXiv 2411.19108, with the first block's residual
 * as the measure
 */
import { type Tensor, tidy } from '../../tensor/index.js';

/**
 * Residuals of the first block and of all others together in the last full pass, [B, L, D] each.
 */
interface Pass {
  first: Tensor;
  others: Tensor;
}

/** A cache for the steps of one sampling run; free it with `dispose`. */
export class StepCache {
  private last: Pass | null = null;
  /** full passes, and passes that reused the residual of one */
  readonly counts = { whole: 0, reused: 0 };

  /**
   * @param threshold   relative mean change of the first block's residual below which the other
   *                    blocks' residual is reused; with 0 it never is
   */
  constructor(readonly threshold: number) {}

  /**
   * Runs hiddenStates [B, L, D] through all blocks.
   *
   * @param first, others   the first block, and all other blocks together
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
