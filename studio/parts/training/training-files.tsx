import { useRef } from 'preact/hooks';
import { addFiles, changeFineTune, fineTuneDraft, sending } from '../../state/fine-tune-draft.js';
import { Icon } from '../media/icon.js';
import { Thumb } from '../media/thumb.js';

/** Pictures and clips, each with a few words on it. */
export function TrainingFiles() {
  const single = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const { files } = fineTuneDraft.value;

  const take = (list: FileList | null | undefined) => addFiles([...(list ?? [])]);

  /** Emptied, so that the same files can be chosen again. */
  async function takeFrom(input: HTMLInputElement) {
    await take(input.files);
    input.value = '';
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
        ref={single}
        class="hidden"
        type="file"
        multiple
        accept="image/*,video/*,.txt"
        tabIndex={-1}
        aria-label="Choose pictures and clips"
        onChange={({ currentTarget }) => void takeFrom(currentTarget)}
      />
      <input
        ref={folder}
        class="hidden"
        type="file"
        tabIndex={-1}
        aria-label="Choose a folder of pictures and clips"
        onChange={({ currentTarget }) => void takeFrom(currentTarget)}
      />
      <span class="buttons">
        <button
          type="button"
          onClick={() => {
            folder.current!.webkitdirectory = true;
            folder.current!.click();
          }}
        >
          <Icon name="upload" /> Choose a folder
        </button>
        <button type="button" onClick={() => single.current!.click()}>
          Choose files
        </button>
      </span>
      <p class="hint" role="status">
        {sending.value > 0
          ? `Sending, ${sending.value} to go…`
          : 'Or drop them here. Words come from text files of the same names, or from the names.'}
      </p>
      <ul hidden={files.length === 0}>
        {files.map(({ media, caption }, i) => (
          <li key={media.url}>
            <Thumb media={media} />
            <input
              type="text"
              aria-label={`Words on ${media.name}`}
              value={caption}
              placeholder="what it shows"
              onInput={({ currentTarget }) => {
                const { value } = currentTarget;
                changeFineTune({
                  files: files.map((one, at) => (at === i ? { ...one, caption: value } : one)),
                });
              }}
            />
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove ${media.name}`}
              onClick={() => changeFineTune({ files: files.filter((_, at) => at !== i) })}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}
