import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { urls } from '../../api/client.js';
import type { Job } from '../../api/types.js';
import type { Media } from '../../logic/draft.js';
import { extent } from '../../logic/format.js';
import { isComparable, marginsWithin } from '../../logic/given-media.js';
import { inputsOf } from '../../logic/recall.js';
import { mediaOfJob, mediaOfSource } from '../../state/media.js';
import { look } from '../../state/messages.js';
import { taskOf } from '../../state/server.js';
import { Compare } from '../media/compare.js';
import { Icon } from '../media/icon.js';
import { Player } from '../media/player.js';
import { ResultActions } from './result-actions.js';
import { SettingsList } from './settings-list.js';

/** A finished result, beside what it was made of if both correspond. */
export function ResultView({ job }: { job: Job }) {
  const before = useSignal<Media | null>(null);
  const comparing = useSignal(true);
  const after = mediaOfJob(job);
  const task = taskOf(job.task);
  const source =
    task && isComparable(task) && !after.animation ? inputsOf(job.request)[0] : undefined;
  const isCompared = source !== undefined;
  useEffect(() => {
    if (source)
      void look(() => mediaOfSource(source)).then((media) => {
        before.value = media;
      });
    // tasks may be read after the job
  }, [job.id, isCompared]);
  const words = job.prompt || 'The result';
  return (
    <div class="result">
      {before.value && comparing.value ? (
        <Compare
          before={before.value}
          after={after}
          margins={marginsWithin(job.request.expand, before.value)}
        />
      ) : (
        <Player media={after} alt={words} />
      )}
      <div class="result-row">
        <p class="quiet">{extent(job)}</p>
        {before.value && (
          <button
            type="button"
            aria-pressed={comparing.value}
            onClick={() => {
              comparing.value = !comparing.value;
            }}
          >
            <Icon name="compare" /> Compare
          </button>
        )}
        <a
          class="button"
          href={urls.result(job.id)}
          download={`${job.task}-${job.seed}.${endingOf(job)}`}
        >
          <Icon name="download" /> Save
        </a>
      </div>
      <ResultActions job={job} />
      <SettingsList job={job} />
    </div>
  );
}

function endingOf({ content_type: type, result }: Job): string {
  const ending = type?.split('/')[1] ?? (result === 'image' ? 'png' : 'mp4');
  return ending === 'jpeg' ? 'jpg' : ending;
}
