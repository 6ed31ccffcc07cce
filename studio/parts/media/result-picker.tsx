import { useRef } from 'preact/hooks';
import { urls } from '../../api/client.js';
import type { Media } from '../../logic/draft.js';
import { nameOf } from '../../logic/task-names.js';
import { hasMore, loadMore, results } from '../../state/jobs.js';
import { frameOf, mediaOfJob } from '../../state/media.js';
import { ActionButton } from '../shell/action-button.js';
import { Icon } from './icon.js';

interface ResultPickerProps {
  kind: 'image' | 'video' | 'depth';
  onPick: (media: Media) => void;
}

/** Takes a result as an input: a whole one, or a frame of a clip where a picture is wanted. */
export function ResultPicker({ kind, onPick }: ResultPickerProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const fit = results.value.filter(
    ({ status, result }) => status === 'completed' && (kind !== 'video' || result === 'video'),
  );
  if (fit.length === 0) return null;

  function pick(media: Media, frame?: number) {
    dialog.current!.close();
    onPick(frame === undefined ? media : frameOf(media, frame));
  }

  return (
    <>
      <button type="button" onClick={() => dialog.current!.showModal()}>
        <Icon name="spark" /> A result
      </button>
      <dialog ref={dialog} class="picker" aria-label="Choose a result">
        <header>
          <h2>Choose a result</h2>
          <button
            type="button"
            class="icon-button"
            aria-label="Close"
            onClick={() => dialog.current!.close()}
          >
            <Icon name="close" />
          </button>
        </header>
        <ul class="picker-grid">
          {fit.map((job) => {
            const media = mediaOfJob(job);
            const still = kind === 'image' && job.result === 'video';
            return (
              <li key={job.id}>
                <button
                  type="button"
                  class="pick"
                  onClick={() => pick(media, still ? -1 : undefined)}
                >
                  <img
                    class="thumb pixels"
                    src={urls.variant(job.id, 'thumbnail')}
                    alt=""
                    loading="lazy"
                  />
                  <span>{job.prompt || nameOf(job.task)}</span>
                  {still && <span class="quiet">its last frame</span>}
                </button>
              </li>
            );
          })}
        </ul>
        {hasMore.value && (
          <ActionButton class="load-more" onAct={loadMore} doing="Reading…">
            Older ones
          </ActionButton>
        )}
      </dialog>
    </>
  );
}
