/** Where recipes differ. */
import { isDeepStrictEqual } from 'node:util';

export interface Difference {
  /** dotted: `transformer.batches.0.batchSize` */
  key: string;
  /** by recipe; undefined where the key is not there */
  values: unknown[];
}

/** The keys whose values are not the same in all, down to plain values and lists of such. */
export function differences(recipes: readonly unknown[], key = ''): Difference[] {
  if (recipes.every((recipe) => isDeepStrictEqual(recipe, recipes[0]))) return [];
  const branches = recipes.filter((recipe) => recipe !== undefined);
  if (!branches.every(isBranch)) return [{ key, values: [...recipes] }];
  const keys = new Set(branches.flatMap(Object.keys));
  return [...keys].flatMap((name) =>
    differences(
      recipes.map((recipe) => (recipe as Record<string, unknown> | undefined)?.[name]),
      key ? `${key}.${name}` : name,
    ),
  );
}

/** Lists of numbers (widths, betas) are read as one value; those of batches are gone into. */
const isBranch = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  (!Array.isArray(value) || value.some((item) => typeof item === 'object'));
