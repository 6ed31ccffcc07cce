import { useRef, useState } from 'preact/hooks';
import type { Media } from '../../logic/draft.js';
import { uploadAs } from '../../state/media.js';
import { Icon } from './icon.js';
import { ResultPicker } from './result-picker.js';
import { Thumb } from './thumb.js';

interface MediaSlotProps {
  label: string;
  kind: 'image' | 'video' | 'depth';
  media: Media | null;
  optional?: boolean;
  /** whether a file for it is being sent from elsewhere */
  sending?: boolean;
  onChange: (media: Media | null) => void;
}

const ACCEPTED = {
  image: 'image/*',
  video: 'video/*,image/*',
  depth: 'video/*,image/*,.safetensors',
};

/** A place for a picture or clip: dropped, pasted, chosen, or taken from the results. */
export function MediaSlot(props: MediaSlotProps) {
  const { label, kind, media, optional = false, sending = false, onChange } = props;
  const [over, setOver] = useState(false);
  const [taking, setTaking] = useState(false);
  const busy = taking || sending;
  const input = useRef<HTMLInputElement>(null);

  async function take(file: File | null | undefined) {
    if (!file) return;
    setTaking(true);
    const uploaded = await uploadAs(kind, file);
    setTaking(false);
    if (uploaded) onChange(uploaded);
  }

  return (
    <fieldset
      class={`slot ${over ? 'over' : ''} ${media ? 'filled' : ''}`}
      aria-label={label}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={({ currentTarget, relatedTarget }) =>
        setOver(currentTarget.contains(relatedTarget as Node | null))
      }
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        void take(event.dataTransfer?.files[0]);
      }}
      onPaste={(event) => {
        const file = event.clipboardData?.files[0];
        if (!file) return;
        event.preventDefault();
        event.stopPropagation();
        void take(file);
      }}
    >
      {media ? (
        <>
          <Thumb media={media} />
          <span class="slot-text">
            <strong>{label}</strong>
            <span class="name">{busy ? 'Sending…' : media.name}</span>
          </span>
        </>
      ) : (
        <span class="slot-text">
          <strong>
            {label} {optional && <span class="quiet">optional</span>}
          </strong>
          <span class="quiet">{busy ? 'Sending…' : 'Drop it here, paste it, or'}</span>
        </span>
      )}
      <input
        ref={input}
        type="file"
        class="hidden"
        accept={ACCEPTED[kind]}
        aria-label={`${label}: choose a file`}
        tabIndex={-1}
        onChange={({ currentTarget }) => {
          void take(currentTarget.files?.[0]);
          currentTarget.value = '';
        }}
      />
      <span class="slot-buttons">
        <button type="button" disabled={busy} onClick={() => input.current!.click()}>
          <Icon name="upload" /> {media ? 'Another file' : 'Choose a file'}
        </button>
        <ResultPicker kind={kind} onPick={onChange} />
        {media && (
          <button
            type="button"
            class="icon-button"
            aria-label={`Remove ${label}`}
            onClick={() => onChange(null)}
          >
            <Icon name="close" />
          </button>
        )}
      </span>
    </fieldset>
  );
}
