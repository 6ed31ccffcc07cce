/** The recipe that a run began with, which is stored in its recipe.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from '../recipe/config.js';
import { withAbsolutePaths } from '../recipe/recipe-paths.js';
import { differences } from './differences.js';

/** Null if there is none, or it cannot be read. */
export function storedRecipe(folder: string): Partial<Recipe> | null {
  try {
    return JSON.parse(readFileSync(join(folder, 'recipe.json'), 'utf8'));
  } catch {
    return null;
  }
}

/** A recipe as recipe.json stores it: with absolute paths. */
export const asStored = (recipe: object): object =>
  withAbsolutePaths(JSON.parse(JSON.stringify(recipe)));

/**
 * The pipeline folder whose weights a run began with; undefined if it had none, or there is no run.
 */
export const initOf = (folder: string): string | undefined =>
  storedRecipe(folder)?.init ?? undefined;

/**
 * How `recipe` differs from the one that a run began with, key by key, as a phrase; '' if it does
 * not.
 */
export function recipeChanges(folder: string, recipe: Recipe): string {
  const before = storedRecipe(folder);
  if (!before) return 'recipe.json was damaged and is written anew, without what `init` named';
  const changes = differences([before, recipe].map(asStored));
  if (changes.length === 0) return '';
  const named = changes.map(({ key, values }) => {
    const [was, now] = values.map((value) => JSON.stringify(value) ?? 'none');
    return `${key} ${was} → ${now}`;
  });
  return `the recipe has changed since the run began: ${named.join(', ')}`;
}
