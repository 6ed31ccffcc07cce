/** Which parameters are trained. */
import { InputError } from '../errors.js';
import { choose } from './patterns.js';

export interface Trainable {
  /** patterns of those that are trained; all where it is left out */
  train?: readonly string[];
  /** patterns of those that are not, of these */
  freeze?: readonly string[];
}

/**
 * The names of what is trained, in their own order. Patterns are over whole names, such as
 * `transformer.transformer_blocks.*.attn1.*`; `*` stands for any letters, dots too, `?` for one.
 *
 * @throws InputError for a pattern that no name fits, and if nothing is left to train
 */
export function trainableNames(
  names: Iterable<string>,
  { train, freeze = [] }: Trainable,
): Set<string> {
  const all = [...names];
  const chosen = train ? choose(all, train, { where: 'train', kind: 'parameter' }) : new Set(all);
  for (const name of choose(all, freeze, { where: 'freeze', kind: 'parameter' })) {
    chosen.delete(name);
  }
  if (chosen.size === 0) {
    const words = freeze.map((pattern) => `"${pattern}"`).join(', ');
    throw new InputError(
      `freeze: ${words || 'nothing'} leaves nothing to train; freeze less, or leave it out`,
    );
  }
  return chosen;
}
