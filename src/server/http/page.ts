/** Cuts lists into pages. */
import { badRequest } from '../errors.js';

export interface PageQuery {
  limit?: number;
  /** the id of the last one of the page before */
  after?: string;
  order?: 'asc' | 'desc';
}

const DEFAULT_LIMIT = 20;

/** @param items  the newest first */
export function page<T extends { id: string }, V>(
  items: readonly T[],
  { limit = DEFAULT_LIMIT, after, order = 'desc' }: PageQuery,
  view: (item: T) => V,
) {
  const all = order === 'desc' ? items : [...items].reverse();
  const at = after === undefined ? -1 : all.findIndex(({ id }) => id === after);
  if (after !== undefined && at < 0) {
    throw badRequest(`after: there is no ${after} in this list; begin again without it`, 'after');
  }
  const data = all.slice(at + 1, at + 1 + limit);
  return {
    object: 'list' as const,
    data: data.map(view),
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + 1 + limit < all.length,
  };
}
