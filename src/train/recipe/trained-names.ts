/** The names of the weights that a recipe trains. */
import { trainableNames } from '../../nn/index.js';
import type { PipelineRecipe } from './config.js';

/**
 * The weights that are trained. With LoRA there are none: only the low-rank layers are trained then.
 *
 * @param names   the names of all weights: `transformer.…`, `text_encoder.…`
 * @throws InputError for patterns that match nothing
 */
export function trainedNames(
  names: Iterable<string>,
  { base, textEncoder, transformer: { train, freeze, lora } }: PipelineRecipe,
): Set<string> {
  if (lora) return new Set();
  // a finished text encoder stays frozen unless `train` names it
  const readsFresh = base === undefined && textEncoder.from === undefined;
  const offered = [...names].filter((name) => readsFresh || train || !isText(name));
  return trainableNames(offered, { train, freeze });
}

/** Does a weight belong to the text encoder? */
export const isText = (name: string): boolean => name.startsWith('text_encoder.');

/** Entries with the network's name in front of theirs, as checkpoints have them. */
export const prefixed = <T>(
  network: 'transformer' | 'text_encoder' | 'alignment',
  entries: Iterable<[string, T]>,
): [string, T][] => [...entries].map(([name, value]) => [`${network}.${name}`, value]);
