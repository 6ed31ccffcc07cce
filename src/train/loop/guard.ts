/** Which gradients are too bad to learn from, and what follows from many of them in a row. */
import type { Optimisation } from '../recipe/config.js';

/** What a run remembers of its gradients; plain JSON, part of a checkpoint. */
export interface GuardState {
  /** mean of the logarithm of good steps' gradient norms, the last hundred or so */
  logNorm: number;
  /** good steps seen */
  seen: number;
  /** bad steps since the last good one */
  badInRow: number;
  /** times that the run went back since its last new checkpoint */
  rollBacks: number;
  /** what the learning rate is multiplied with; falls each time that the run goes back */
  learningRateFactor: number;
}

export const freshGuard = (): GuardState => ({
  logNorm: 0,
  seen: 0,
  badInRow: 0,
  rollBacks: 0,
  learningRateFactor: 1,
});

/** Good steps before a norm is called usual. */
const LEAST_SEEN = 20;
const MEMORY = 0.99;
/** Going back more often without a good checkpoint in between ends the run. */
export const MOST_ROLL_BACKS = 5;

/** A gradient norm above this is left out; null: there is no limit yet. */
export function normLimit(
  { logNorm, seen }: GuardState,
  { explodingGradNorm }: Optimisation,
): number | null {
  return seen < LEAST_SEEN ? null : explodingGradNorm * Math.exp(logNorm);
}

/** The state after a step; a norm of 0 (nothing to learn) tells nothing. */
export function afterStep(
  state: GuardState,
  { gradNorm, skipped }: { gradNorm: number; skipped: boolean },
): GuardState {
  if (skipped) return { ...state, badInRow: state.badInRow + 1 };
  if (gradNorm === 0) return { ...state, badInRow: 0 };
  // a plain mean at first
  const weight = Math.max(1 - MEMORY, 1 / (state.seen + 1));
  const logNorm = state.logNorm + weight * (Math.log(gradNorm) - state.logNorm);
  return { ...state, logNorm, seen: state.seen + 1, badInRow: 0 };
}
