/** How far back the list of jobs is known, page by page. */
import type { Jobs } from '../api/types.js';

export interface Known {
  /** the jobs of all pages so far, the newest first */
  ids: readonly string[];
  /** whether the server has older ones */
  hasMore: boolean;
}

export const NOTHING_KNOWN: Known = { ids: [], hasMore: false };

const idsOf = ({ data }: Jobs): string[] => data.map(({ id }) => id);

/** After the newest page: what was known before it stays so, unless there is a gap between them. */
export function withNewest(known: Known, page: Jobs): Known {
  const ids = idsOf(page);
  const meets = ids.some((id) => known.ids.includes(id));
  if (!meets) return { ids, hasMore: page.has_more };
  return { ids: [...new Set([...ids, ...known.ids])], hasMore: known.hasMore };
}

export const withOlder = ({ ids }: Known, page: Jobs): Known => ({
  ids: [...ids, ...idsOf(page)],
  hasMore: page.has_more,
});

/** The oldest one that is still there, after which the next page begins. */
export const oldestOf = ({ ids }: Known, deleted: ReadonlySet<string>): string | undefined =>
  ids.findLast((id) => !deleted.has(id));
