import { lost } from '../../state/connection.js';
import { running, waiting } from '../../state/jobs.js';
import { linkTo, type Page, route } from '../../state/route.js';
import { ThemeSwitch } from './theme-switch.js';

const PAGES: readonly { page: Page; name: string; with: readonly Page[] }[] = [
  { page: 'choose', name: 'Create', with: ['choose', 'make'] },
  { page: 'results', name: 'Results', with: ['results'] },
  { page: 'queue', name: 'Queue', with: ['queue'] },
  { page: 'training', name: 'Training', with: ['training'] },
];

export function TopBar() {
  const open = running.value.length + waiting.value.length;
  return (
    <header class="top-bar">
      <a class="brand" href={linkTo('choose')} aria-label="mfm studio, create">
        <Logo />
        <span>mfm studio</span>
      </a>
      <nav aria-label="Pages">
        {PAGES.map(({ page, name, with: pages }) => (
          <a
            href={linkTo(page)}
            aria-current={pages.includes(route.value.page) ? 'page' : undefined}
          >
            {name}
            {page === 'queue' && open > 0 && <span class="badge">{open}</span>}
          </a>
        ))}
      </nav>
      <span class="offline" role="status">
        {lost.value && 'Reconnecting…'}
      </span>
      <ThemeSwitch />
    </header>
  );
}

const Logo = () => (
  <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
    <rect width="32" height="32" rx="9" class="logo-ground" />
    <path d="M8 22V11l5 6 3-3.5 3 3.5 5-6v11" class="logo-line" />
  </svg>
);
