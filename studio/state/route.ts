/** Which page is shown: the part of the address after #. */
import { signal } from '@preact/signals';

export type Page = 'choose' | 'make' | 'results' | 'queue' | 'training';

export interface Route {
  page: Page;
  /** a task, a result or a run */
  id: string | null;
}

const PAGES: readonly string[] = ['make', 'results', 'queue', 'training'];

export function routeOf(hash: string): Route {
  const [page = '', id] = hash.replace(/^#\/?/, '').split('/');
  if (!PAGES.includes(page)) return { page: 'choose', id: null };
  return { page: page as Page, id: id ? decodeURIComponent(id) : null };
}

export const route = signal<Route>(routeOf(location.hash));

addEventListener('hashchange', () => {
  route.value = routeOf(location.hash);
  scrollTo(0, 0);
});

export const linkTo = (page: Page, id?: string): string =>
  page === 'choose' ? '#/' : `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}`;

export function go(page: Page, id?: string): void {
  location.hash = linkTo(page, id);
}
