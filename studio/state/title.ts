/** The tab says how far the work is, for those who look at another one. */
import { effect } from '@preact/signals';
import { running, waiting } from './jobs.js';

effect(() => {
  const [job] = running.value;
  const left = waiting.value.length;
  const more = left > 0 ? ` +${left}` : '';
  document.title = job ? `${job.progress} %${more} · mfm studio` : 'mfm studio';
});
