import { useSignal } from '@preact/signals';
import type { Job } from '../../api/types.js';
import { states, stop } from '../../state/jobs.js';
import { Icon } from '../media/icon.js';
import { Screen } from '../media/screen.js';
import { PreviewPicture } from './preview-picture.js';
import { statusText, timeLeft } from './status-text.js';

/** A result as it comes into being, and the button that stops it. */
export function LiveJob({ job }: { job: Job }) {
  const stopping = useSignal(false);
  const preview = states.value.previews.get(job.id);
  const { width, height } = preview ?? { width: job.width ?? 1, height: job.height ?? 1 };

  async function halt() {
    stopping.value = true;
    await stop(job.id);
    stopping.value = false;
  }

  return (
    <div class="live" aria-busy="true">
      <Screen width={width} height={height}>
        {preview ? <PreviewPicture preview={preview} /> : <span class="waiting-picture" />}
      </Screen>
      <progress max={100} value={job.progress} aria-label="Progress" />
      <div class="live-row">
        <p role="status">
          <strong>{statusText(job)}</strong> <span class="quiet">{timeLeft(job)}</span>
        </p>
        <button type="button" disabled={stopping.value} onClick={halt}>
          <Icon name="stop" /> {stopping.value ? 'Stopping…' : 'Stop'}
        </button>
      </div>
    </div>
  );
}
