/** What a recipe trains, by name. */
import { trainableNames } from '../../nn/index.js';
import type { Recipe } from './config.js';

/**
 * The weights that are trained; layers of low rank are trained alone, beside all of these.
 *
 * @param names   of all weights: `transformer.…`, `text_encoder.…`
 * @throws InputError for patterns that match nothing
 */
export function trainedNames(
  names: Iterable<string>,
  { base, textEncoder, transformer: { train, freeze, lora } }: Recipe,
): Set<string> {
  if (lora) return new Set();
  // a finished text encoder stays as it is, unless it is named
  const readsFresh = base === undefined && textEncoder.from === undefined;
  const offered = [...names].filter((name) => readsFresh || train || !isText(name));
  return trainableNames(offered, { train, freeze });
}

/** Is a weight the text encoder's? */
export const isText = (name: string): boolean => name.startsWith('text_encoder.');

/** Entries by the names that they have beside those of other networks. */
export const prefixed = <T>(
  network: 'transformer' | 'text_encoder',
  entries: Iterable<[string, T]>,
): [string, T][] => [...entries].map(([name, value]) => [`${network}.${name}`, value]);
