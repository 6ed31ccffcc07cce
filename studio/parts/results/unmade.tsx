import type { Job } from '../../api/types.js';
import { remember } from '../../state/drafts.js';
import { again, remove } from '../../state/jobs.js';
import { go, route } from '../../state/route.js';
import { Icon } from '../media/icon.js';
import { ActionButton } from '../shell/action-button.js';

/** A job that was stopped or failed. */
export function Unmade({ job }: { job: Job }) {
  async function repeat() {
    const next = await again(job.id);
    if (!next) return;
    remember(next.task, [next]);
    go('make', next.task);
  }
  async function forget() {
    await remove(job.id);
    if (route.value.page === 'results') go('results');
  }
  return (
    <div class="unmade">
      <h2>{job.status === 'cancelled' ? 'Stopped' : 'It failed'}</h2>
      <p>{job.error?.message ?? 'It was stopped before it was finished; nothing was kept.'}</p>
      <div class="buttons">
        <ActionButton onAct={repeat}>
          <Icon name="again" /> Begin again
        </ActionButton>
        <ActionButton onAct={forget}>
          <Icon name="trash" /> Remove
        </ActionButton>
      </div>
    </div>
  );
}
