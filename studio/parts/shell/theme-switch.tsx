import { effect, signal } from '@preact/signals';
import { Icon } from '../media/icon.js';

type Theme = 'system' | 'light' | 'dark';

const STORED = 'mfm-theme';
const NEXT: Readonly<Record<Theme, Theme>> = { system: 'dark', dark: 'light', light: 'system' };
const ICONS = { system: 'half', light: 'sun', dark: 'moon' } as const;

/** What the browser keeps; it may be told to keep nothing, and throws then. */
function kept<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}

const stored = kept(() => localStorage.getItem(STORED));
const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system');

effect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  kept(() => localStorage.setItem(STORED, theme.value));
});

export function ThemeSwitch() {
  const label = `Colours: ${theme.value}. Change to ${NEXT[theme.value]}.`;
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={label}
      onClick={() => {
        theme.value = NEXT[theme.value];
      }}
    >
      <Icon name={ICONS[theme.value]} />
    </button>
  );
}
