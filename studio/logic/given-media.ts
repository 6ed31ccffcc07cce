/** What a result was made of, from its request. */
import type { Task } from '../api/types.js';
import { type Margins, NO_MARGINS, type Side } from './margins.js';

/** Whether each frame of the result stands beside one of the input. */
export const isComparable = (task: Task): boolean => task.follows_input && task.inputs.length > 0;

/**
 * The margins that a result has around its input, as shares of the input: numbers with a dot and
 * percentages are shares, whole numbers are pixels, and the more specific name wins.
 */
export function marginsWithin(expand: unknown, input: { width: number; height: number }): Margins {
  if (typeof expand !== 'string') return NO_MARGINS;
  const given = new Map<string, string>();
  for (const part of expand.split(',')) {
    const [name = '', value] = part.split('=').map((word) => word.trim());
    given.set(value === undefined ? 'all' : name, value ?? name);
  }
  const share = (side: Side): number => {
    const across = side === 'left' || side === 'right';
    const text = given.get(side) ?? given.get(across ? 'x' : 'y') ?? given.get('all') ?? '0';
    if (text.endsWith('%')) return Number(text.slice(0, -1)) / 100;
    return text.includes('.') ? Number(text) : Number(text) / (across ? input.width : input.height);
  };
  return { left: share('left'), right: share('right'), top: share('top'), bottom: share('bottom') };
}
