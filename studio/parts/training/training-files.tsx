import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Media } from '../../logic/draft.js';
import { uploadMedia } from '../../state/media.js';
import { attempt } from '../../state/messages.js';
import { Icon } from '../media/icon.js';
import { Thumb } from '../media/thumb.js';

export interface Captioned {
  media: Media;
  caption: string;
}

interface TrainingFilesProps {
  files: readonly Captioned[];
  onChange: (files: readonly Captioned[]) => void;
}

/** Pictures and clips, each with a few words on it. */
export function TrainingFiles({ files, onChange }: TrainingFilesProps) {
  const input = useRef<HTMLInputElement>(null);
  const sending = useSignal(0);

  async function take(list: FileList | null | undefined) {
    let all = files;
    for (const file of list ?? []) {
      sending.value++;
      const media = await attempt(() => uploadMedia(file));
      sending.value--;
      if (!media) continue;
      // a file is often named after what it shows
      const caption = file.name
        .replace(/\.[^.]*$/, '')
        .replaceAll(/[-_\d]+/g, ' ')
        .trim();
      all = [...all, { media, caption }];
      onChange(all);
    }
  }

  return (
    <fieldset
      class="training-files"
      aria-label="Pictures and clips"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        void take(event.dataTransfer?.files);
      }}
    >
      <input
        ref={input}
        class="hidden"
        type="file"
        multiple
        accept="image/*,video/*"
        tabIndex={-1}
        aria-label="Choose pictures and clips"
        onChange={({ currentTarget }) => void take(currentTarget.files)}
      />
      <button type="button" onClick={() => input.current!.click()}>
        <Icon name="upload" /> {sending.value > 0 ? 'Sending…' : 'Choose files, or drop them here'}
      </button>
      <ul>
        {files.map(({ media, caption }, i) => (
          <li key={media.url}>
            <Thumb media={media} />
            <input
              type="text"
              aria-label={`Words on ${media.name}`}
              value={caption}
              placeholder="what it shows"
              onInput={({ currentTarget }) =>
                onChange(
                  files.map((one, at) =>
                    at === i ? { ...one, caption: currentTarget.value } : one,
                  ),
                )
              }
            />
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove ${media.name}`}
              onClick={() => onChange(files.filter((_, at) => at !== i))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}
