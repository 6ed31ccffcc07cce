/** Which page an address shows: the part of it after #. */

export type Page = 'choose' | 'make' | 'results' | 'queue' | 'training';

export interface Route {
  page: Page;
  /** a task, a result or a run */
  id: string | null;
}

const PAGES: readonly string[] = ['make', 'results', 'queue', 'training'];

/** An address that is none shows the first page. */
export function routeOf(hash: string): Route {
  const [page = '', id] = hash.replace(/^#\/?/, '').split('/');
  if (!PAGES.includes(page)) return { page: 'choose', id: null };
  return { page: page as Page, id: id ? decoded(id) : null };
}

/** A name may be one that was never encoded, such as `50%`. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const linkTo = (page: Page, id?: string): string =>
  page === 'choose' ? '#/' : `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}`;
