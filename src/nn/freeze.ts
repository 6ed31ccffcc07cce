/** Which parameters are trained. */
import { InputError } from '../errors.js';
import { choose } from './patterns.js';

export interface Trainable {
  /** patterns of the parameters to train; default: all */
  train?: readonly string[];
  /** patterns of the parameters among them to leave frozen */
  freeze?: readonly string[];
}

/**
 * The names of the parameters to train, in their original order. Patterns match whole names, such
 * as `transformer.transformer_blocks.*.attn1.*`; `*` stands for any characters, dots too, `?` for
 * one.
 *
 * @throws InputError for a pattern that matches no name, and if nothing is left to train
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
