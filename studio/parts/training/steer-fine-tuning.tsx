import * as api from '../../api/client.js';
import type { FineTuningJob } from '../../api/types.js';
import { change, draftOf } from '../../state/drafts.js';
import { attempt } from '../../state/messages.js';
import { go } from '../../state/route.js';
import { taskOf } from '../../state/server.js';
import { takeFineTuning } from '../../state/training.js';
import { Icon } from '../media/icon.js';
import { ActionButton } from '../shell/action-button.js';

/** Pauses, ends or uses a fine-tuning. */
export function SteerFineTuning({ job }: { job: FineTuningJob }) {
  async function steer(way: 'cancel' | 'pause' | 'resume') {
    if (way === 'cancel' && !confirm('End this training? It cannot be resumed.')) return;
    const next = await attempt(() => api.steerFineTuning(job.id, way));
    if (next) takeFineTuning(next);
  }

  function use() {
    const task = taskOf('t2i');
    if (!task || !job.fine_tuned_model) return;
    const isLora = job.method === 'lora';
    const used = isLora
      ? { lora: { id: job.fine_tuned_model, scale: 1 }, moreLoras: [] }
      : { model: job.fine_tuned_model };
    change(task, { ...draftOf(task), ...used });
    go('make', task.id);
  }

  const open = job.status === 'queued' || job.status === 'running';
  return (
    <div class="buttons">
      {job.status === 'running' && (
        <ActionButton onAct={() => steer('pause')}>
          <Icon name="pause" /> Pause
        </ActionButton>
      )}
      {(job.status === 'paused' || job.status === 'failed') && (
        <ActionButton onAct={() => steer('resume')}>
          <Icon name="play" /> Go on
        </ActionButton>
      )}
      {(open || job.status === 'paused') && (
        <ActionButton onAct={() => steer('cancel')}>
          <Icon name="stop" /> End it
        </ActionButton>
      )}
      {job.fine_tuned_model && (
        <button type="button" class="primary" onClick={use}>
          <Icon name="spark" /> Make something with it
        </button>
      )}
      {job.error && <p class="wrong">{job.error.message}</p>}
    </div>
  );
}
