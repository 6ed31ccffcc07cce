/** What follows from the position in a stage alone: learning rate, EMA decay, the seed of a step. */
import { schedules } from '../../optim/index.js';
import type { Optimisation } from '../recipe/config.js';
import type { LoopState } from './loop-state.js';

/**
 * Linear warm-up in steps, then half a cosine down to `finalLearningRate`, over the stage or its last
 * part (`decayShare`); lower after a rollback to a checkpoint.
 *
 * @param done   the share of the stage that is over, 0..1
 */
export function learningRateAt(
  done: number,
  { stageStep, guard }: Pick<LoopState, 'stageStep' | 'guard'>,
  { learningRate, finalLearningRate: floor, decayShare, warmupSteps }: Optimisation,
): number {
  const decay = schedules.atTheEnd(schedules.cosine({ totalSteps: 1, floor }), decayShare);
  const factor = schedules.withWarmup(() => decay(done), warmupSteps)(stageStep);
  return learningRate * guard.learningRateFactor * factor;
}

/** Steps between EMA updates, each of which moves as much memory as an update of the weights. */
const EMA_STEPS = 4;

/**
 * The EMA decay after a step; null where no update is due. At first every step updates the averages,
 * with a low decay, so that they forget the random initialisation.
 */
export function averagingDecay(step: number, emaDecay: number): number | null {
  const warming = step / (9 + step);
  if (warming < emaDecay ** EMA_STEPS) return Math.min(emaDecay, warming);
  return step % EMA_STEPS === 0 ? emaDecay ** EMA_STEPS : null;
}

/** One seed per step, so that a resumed run draws what the uninterrupted one would have. */
export const stepSeed = (seed: number, step: number): bigint =>
  BigInt.asUintN(64, BigInt(seed) * 1_000_003n + BigInt(step));
