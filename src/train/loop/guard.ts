/** Decides which gradients are too bad to learn from, and remembers how many came in a row. */
import type { Optimisation } from '../recipe/config.js';

/** What a run remembers of its gradients; plain JSON, part of a checkpoint. */
export interface GuardState {
  /** running mean of the logarithm of the gradient norm, over the last hundred or so good steps */
  logNorm: number;
  /** number of good steps so far */
  seen: number;
  /** skipped steps since the last good one */
  badInRow: number;
  /** number of rollbacks since the last new checkpoint */
  rollBacks: number;
  /** factor of the learning rate; every rollback lowers it */
  learningRateFactor: number;
}

export const freshGuard = (): GuardState => ({
  logNorm: 0,
  seen: 0,
  badInRow: 0,
  rollBacks: 0,
  learningRateFactor: 1,
});

/** Number of good steps before the running mean is trusted. */
const LEAST_SEEN = 20;
const MEMORY = 0.99;
/** The most rollbacks without a new checkpoint in between; one more ends the run. */
export const MOST_ROLL_BACKS = 5;

/** The gradient norm above which a step is skipped; null if there is no limit yet. */
export function normLimit(
  { logNorm, seen }: GuardState,
  { explodingGradNorm }: Optimisation,
): number | null {
  return seen < LEAST_SEEN ? null : explodingGradNorm * Math.exp(logNorm);
}

/** The state after a step. A norm of 0 (nothing to learn) does not enter the running mean. */
export function afterStep(
  state: GuardState,
  { gradNorm, skipped }: { gradNorm: number; skipped: boolean },
): GuardState {
  if (skipped) return { ...state, badInRow: state.badInRow + 1 };
  if (gradNorm === 0) return { ...state, badInRow: 0 };
  // a plain mean over the first steps
  const weight = Math.max(1 - MEMORY, 1 / (state.seen + 1));
  const logNorm = state.logNorm + weight * (Math.log(gradNorm) - state.logNorm);
  return { ...state, logNorm, seen: state.seen + 1, badInRow: 0 };
}
