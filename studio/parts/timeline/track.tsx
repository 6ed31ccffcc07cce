import type { Signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Media } from '../../logic/draft.js';
import { lengthen, moveTo, type Placed } from '../../logic/timeline.js';
import { uploadMedia } from '../../state/media.js';
import { attempt } from '../../state/messages.js';
import { Icon } from '../media/icon.js';

interface TrackProps<P extends Placed & { media: Media }> {
  name: string;
  parts: readonly P[];
  numFrames: number;
  chosen: Signal<string | null>;
  onParts: (parts: P[]) => void;
  onDropped: (media: Media, at: number) => void;
}

/** A row of the time line. */
export function Track<P extends Placed & { media: Media }>(props: TrackProps<P>) {
  const { name, parts, numFrames, chosen, onParts, onDropped } = props;
  const row = useRef<HTMLFieldSetElement>(null);
  const gesture = useRef<{ id: string; kind: 'move' | 'lengthen'; grip: number } | null>(null);

  /** The frame under the pointer. */
  function frameAt(event: MouseEvent): number {
    const box = row.current!.getBoundingClientRect();
    const frame = Math.floor(((event.clientX - box.left) / box.width) * numFrames);
    return Math.min(numFrames - 1, Math.max(0, frame));
  }

  async function drop(event: DragEvent) {
    event.preventDefault();
    event.stopPropagation();
    const file = event.dataTransfer?.files[0];
    const at = frameAt(event);
    const media = file && (await attempt(() => uploadMedia(file)));
    if (media) onDropped(media, at);
  }

  function drag(part: P, event: PointerEvent) {
    const now = gesture.current;
    if (now?.id !== part.id) return;
    const frame = frameAt(event);
    onParts(
      now.kind === 'move'
        ? moveTo(parts, part.id, frame - now.grip, numFrames)
        : lengthen(parts, part.id, frame - part.at + 1, numFrames),
    );
  }

  /** After a release, and when the browser takes the pointer for itself. */
  function letGo() {
    gesture.current = null;
  }

  function onKeyDown(part: P, event: KeyboardEvent) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      onParts(
        event.shiftKey
          ? lengthen(parts, part.id, part.length + by, numFrames)
          : moveTo(parts, part.id, part.at + by, numFrames),
      );
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault();
      row.current!.focus();
      onParts(parts.filter(({ id }) => id !== part.id));
    }
  }

  return (
    <div class="track">
      <span class="track-name">{name}</span>
      <fieldset
        ref={row}
        class="track-row"
        tabIndex={-1}
        aria-label={`${name} frames`}
        style={{ '--frames': numFrames }}
        onDragOver={(event) => event.preventDefault()}
        onDrop={drop}
      >
        {parts.map((part) => (
          <span
            key={part.id}
            class="part"
            style={{
              left: `${(100 * part.at) / numFrames}%`,
              width: `${(100 * part.length) / numFrames}%`,
            }}
          >
            <button
              type="button"
              class="part-body"
              aria-pressed={chosen.value === part.id}
              aria-label={`${part.media.name}, ${framesText(part)}. Arrow keys move it, with shift they change its length, Delete removes it.`}
              onFocus={() => {
                chosen.value = part.id;
              }}
              onKeyDown={(event) => onKeyDown(part, event)}
              onPointerDown={(event) => {
                if (event.button !== 0) return;
                event.currentTarget.setPointerCapture(event.pointerId);
                gesture.current = { id: part.id, kind: 'move', grip: frameAt(event) - part.at };
                chosen.value = part.id;
              }}
              onPointerMove={(event) => drag(part, event)}
              onLostPointerCapture={letGo}
            >
              <span
                class="part-film"
                style={{ backgroundImage: `url("${part.media.thumbUrl}")` }}
              />
            </button>
            <span
              class="part-end"
              onPointerDown={(event) => {
                if (event.button !== 0) return;
                event.currentTarget.setPointerCapture(event.pointerId);
                gesture.current = { id: part.id, kind: 'lengthen', grip: 0 };
              }}
              onPointerMove={(event) => drag(part, event)}
              onLostPointerCapture={letGo}
            />
            <button
              type="button"
              class="part-remove icon-button"
              aria-label={`Remove ${part.media.name}`}
              onClick={() => onParts(parts.filter(({ id }) => id !== part.id))}
            >
              <Icon name="close" />
            </button>
          </span>
        ))}
      </fieldset>
    </div>
  );
}

export const framesText = ({ at, length }: Placed): string =>
  length === 1 ? `frame ${at + 1}` : `frames ${at + 1} to ${at + length}`;
