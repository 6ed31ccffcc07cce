/** Which page is shown, and going to another one. */
import { signal } from '@preact/signals';
import { linkTo, type Page, type Route, routeOf } from '../logic/route.js';

export { linkTo, type Page, type Route };

export const route = signal<Route>(routeOf(location.hash));

export function go(page: Page, id?: string): void {
  location.hash = linkTo(page, id);
}

// the page is drawn after the browser has tried to restore its place
history.scrollRestoration = 'manual';

addEventListener('hashchange', () => {
  route.value = routeOf(location.hash);
  // what had the focus is gone; who goes on by keys or listens begins at the new page
  document.getElementById('main')?.focus({ preventScroll: true });
  const { y = 0 } = (history.state ?? {}) as { y?: number };
  requestAnimationFrame(() => scrollTo(0, y));
});

/** Wait after scrolling before the place is noted, in ms: browsers allow few notes in a short time. */
const CALM = 200;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Each page of the browser's history keeps its place, to which one comes back. */
addEventListener('scroll', () => {
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState({ y: scrollY }, ''), CALM);
});
