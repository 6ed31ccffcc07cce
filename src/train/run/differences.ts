/** The keys in which recipes differ. */
import { isDeepStrictEqual } from 'node:util';

export interface Difference {
  /** dotted: `transformer.batches.0.batchSize` */
  key: string;
  /** one per recipe; undefined where the key is missing */
  values: unknown[];
}

/** The keys whose values differ, down to plain values and lists of plain values. */
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

/**
 * A list of numbers (widths, betas) counts as one value; lists of objects are compared item by
 * item.
 */
const isBranch = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  (!Array.isArray(value) || value.some((item) => typeof item === 'object'));
