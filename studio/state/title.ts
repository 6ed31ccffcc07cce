/** The tab says which page it is, and how far the work is, for those who look at another one. */
import { effect } from '@preact/signals';
import type { Page } from '../logic/route.js';
import { nameOf } from '../logic/task-names.js';
import { running, waiting } from './jobs.js';
import { route } from './route.js';

const NAMES: Readonly<Record<Page, string | null>> = {
  choose: null,
  make: null,
  results: 'Results',
  queue: 'Queue',
  training: 'Training',
};

/** Begins that. A file that is imported for its effects alone would be left out of the page, by package.json. */
export const startTitle = () =>
  effect(() => {
    const { page, id } = route.value;
    const [job] = running.value;
    const left = waiting.value.length;
    const more = left > 0 ? ` +${left}` : '';
    const name = page === 'make' && id ? nameOf(id) : NAMES[page];
    const parts = [job && `${job.progress} %${more}`, name, 'mfm studio'];
    document.title = parts.filter(Boolean).join(' · ');
  });
