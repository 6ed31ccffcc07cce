import * as api from '../../api/client.js';
import type { FineTuningJob } from '../../api/types.js';
import { change, draftOf } from '../../state/drafts.js';
import { attempt } from '../../state/messages.js';
import { go } from '../../state/route.js';
import { taskOf } from '../../state/server.js';
import { mergeTraining } from '../../state/training.js';
import { Icon } from '../media/icon.js';

/** Pauses, ends or uses a fine-tuning. */
export function SteerFineTuning({ job }: { job: FineTuningJob }) {
  async function steer(way: 'cancel' | 'pause' | 'resume') {
    const next = await attempt(() => api.steerFineTuning(job.id, way));
    if (next) mergeTraining(next);
  }

  function use() {
    const task = taskOf('t2i');
    if (!task || !job.fine_tuned_model) return;
    const isLora = job.method === 'lora';
    const used = isLora
      ? { lora: { id: job.fine_tuned_model, scale: 1 } }
      : { model: job.fine_tuned_model };
    change(task, { ...draftOf(task), ...used });
    go('make', task.id);
  }

  const open = job.status === 'queued' || job.status === 'running';
  return (
    <div class="buttons">
      {job.status === 'running' && (
        <button type="button" onClick={() => steer('pause')}>
          <Icon name="pause" /> Pause
        </button>
      )}
      {job.status === 'paused' && (
        <button type="button" onClick={() => steer('resume')}>
          <Icon name="play" /> Go on
        </button>
      )}
      {(open || job.status === 'paused') && (
        <button type="button" onClick={() => steer('cancel')}>
          <Icon name="stop" /> End it
        </button>
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
