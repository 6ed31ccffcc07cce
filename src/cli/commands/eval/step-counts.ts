/** Reads the numbers of sampling steps. */
import { InputError } from '../../../errors.js';
import { MOST_STEPS } from '../../../limits.js';

/**
 * `4` or `1,2,4,24`: the most steps, null for the pipeline's own, and the others, fewest first.
 * @throws InputError for anything else
 */
export function stepCounts(text: string | undefined): { most: number | null; fewer: number[] } {
  if (text === undefined) return { most: null, fewer: [] };
  const counts = text.split(',').map((part) => Number(part.trim() || Number.NaN));
  const wrong = counts.some((count) => !Number.isInteger(count) || count < 1 || count > MOST_STEPS);
  if (wrong) {
    throw new InputError(
      `--steps: must be a whole number from 1 to ${MOST_STEPS}, or several with commas between, as 1,2,4,24; got "${text}"`,
    );
  }
  const fewer = [...new Set(counts)].sort((a, b) => a - b);
  const most = fewer.pop()!;
  return { most, fewer };
}
