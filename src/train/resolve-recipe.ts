/** Resolves a recipe and its run folder from the options of a program or a command line. */
import { InputError } from '../errors.js';
import type { Task } from '../tasks/index.js';
import type { Recipe, RecipeInput } from './recipe/config.js';
import { type Change, checkRecipe, readRecipe } from './recipe/read-recipe.js';
import { initOf } from './run/stored-recipe.js';

export interface ResolveOptions {
  /** folder of the run; default: `runs/` and the recipe's name */
  run?: string;
  /** resumes the run that the folder holds */
  resume?: boolean;
  /** pipeline folder to take the initial weights from, in place of the recipe's `init` */
  init?: string;
  /** changes to single keys of the recipe */
  changes?: readonly Change[];
  /** tasks that the recipe may name beside those of mfm */
  ownTasks?: readonly Task[];
  /**
   * receives a sentence about each path of a recipe file that may not mean what its author expects
   */
  say?: (sentence: string) => void;
}

/**
 * @param given   a YAML or JSON file; or keys and values, with paths relative to the current folder
 * @throws InputError listing every problem of the recipe
 */
export function resolveRecipe(
  given: string | RecipeInput,
  { run, resume = false, init, changes = [], ownTasks = [], say }: ResolveOptions,
): { recipe: Recipe; folder: string } {
  if (run === '') throw new InputError('run: must be a folder, got ""');
  const read = (all: readonly Change[], onNote?: (sentence: string) => void) =>
    typeof given === 'string'
      ? readRecipe(given, all, onNote, ownTasks)
      : checkRecipe(plainCopy(given), 'recipe', { changes: all, ownTasks });
  const recipe = read(changes, say);
  const folder = run ?? `runs/${recipe.name}`;
  // a resumed run keeps the initial weights that it began with
  const from = init ?? recipe.init ?? (resume ? initOf(folder) : undefined);
  if (from === recipe.init) return { recipe, folder };
  return { recipe: read([...changes, { path: ['init'], value: from }]), folder };
}

function plainCopy(given: RecipeInput): object {
  try {
    if (typeof given === 'object' && given !== null) return structuredClone(given);
  } catch {
    // it holds functions, or other things that are not plain values
  }
  throw new InputError(
    'recipe: must be a file, or an object of plain values with the keys that `mfm train --help` lists',
  );
}
