/**
 * Draws tasks more often the less they have been learnt: a task's weight is multiplied by a power of
 * its validation loss, as a share of its first one. Everything follows from figures that a run has
 * measured, and is kept in its checkpoints.
 */

/** What a run remembers of its tasks; plain JSON. */
export interface Balance {
  /** the first validation loss in the stage, by task */
  first: Record<string, number>;
  /** factors of the weights, by task, each from a batch of the stage on; in order */
  factors: { from: number; byTask: Record<string, number> }[];
}

/** The largest factor, and the inverse of the smallest. */
const MOST = 8;
/** Validations that are remembered: batches that are under way may go back to the last few. */
const KEPT = 8;

/**
 * @param before    null before the first validation of a stage
 * @param figures   of a validation: `validation/TASK` is the loss of a task
 * @param from      the first batch that can still be drawn by new factors
 */
export function balanceAfter(
  before: Balance | null,
  figures: Readonly<Record<string, number>>,
  { from, power }: { from: number; power: number },
): Balance {
  const losses = Object.entries(figures).flatMap(([name, loss]): [string, number][] => {
    const task = /^validation\/(.+)$/.exec(name)?.[1];
    return task && loss > 0 ? [[task, loss]] : [];
  });
  const first = { ...Object.fromEntries(losses), ...before?.first };
  const byTask = Object.fromEntries(
    losses.map(([task, loss]) => {
      const factor = (loss / first[task]!) ** power;
      return [task, Math.min(MOST, Math.max(1 / MOST, factor))];
    }),
  );
  return { first, factors: [...(before?.factors ?? []), { from, byTask }].slice(-KEPT) };
}

/** The factors for a batch; null if there are none yet. */
export const factorsAt = (
  balance: Balance | null,
  batch: number,
): Readonly<Record<string, number>> | null =>
  balance?.factors.findLast(({ from }) => from <= batch)?.byTask ?? null;
