import type { Job } from '../../api/types.js';
import { states, stop } from '../../state/jobs.js';
import { Icon } from '../media/icon.js';
import { Screen } from '../media/screen.js';
import { ActionButton } from '../shell/action-button.js';
import { PreviewPicture } from './preview-picture.js';
import { statusText, stepText, timeLeft } from './status-text.js';

/** A result as it comes into being, and the button that stops it. */
export function LiveJob({ job }: { job: Job }) {
  const preview = states.value.previews.get(job.id);
  const { width, height } = preview ?? { width: job.width ?? 1, height: job.height ?? 1 };

  return (
    <div class="live">
      <Screen width={width} height={height}>
        {preview ? <PreviewPicture preview={preview} /> : <span class="waiting-picture" />}
      </Screen>
      <progress max={100} value={job.progress} aria-label="Progress" />
      <div class="live-row">
        <p>
          <strong role="status">{statusText(job)}</strong>{' '}
          <span class="quiet">{[stepText(job), timeLeft(job)].filter(Boolean).join(', ')}</span>
        </p>
        <ActionButton onAct={() => stop(job.id)} doing="Stopping…">
          <Icon name="stop" /> Stop
        </ActionButton>
      </div>
    </div>
  );
}
