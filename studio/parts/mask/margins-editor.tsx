import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Media } from '../../logic/draft.js';
import { type Margins, SIDES, type Side, withMargin } from '../../logic/margins.js';
import { Moving } from '../media/moving.js';

interface MarginsEditorProps {
  media: Media;
  margins: Margins;
  onChange: (margins: Margins) => void;
}

/** Room around the picture for dragging, as a share of it. */
const ROOM = 0.5;
const STEP = 0.05;

/** Drags the sides of a picture outwards, by pointer or arrow keys. */
export function MarginsEditor({ media, margins, onChange }: MarginsEditorProps) {
  const frame = useSignal(0);
  const playing = useSignal(false);
  const board = useRef<HTMLDivElement>(null);
  const { left, right, top, bottom } = margins;
  // the board has room for what is there; it stands still while one drags
  const room = useSignal(ROOM);
  const least = Math.max(ROOM, left, right, top, bottom);
  if (room.value < least) room.value = least;
  const whole = 1 + 2 * room.value;
  const inner = {
    left: room.value - left,
    top: room.value - top,
    width: 1 + left + right,
    height: 1 + top + bottom,
  };
  const percent = (value: number) => `${(100 * value) / whole}%`;

  function drag(side: Side, event: PointerEvent): void {
    const box = board.current!.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * whole - room.value;
    const y = ((event.clientY - box.top) / box.height) * whole - room.value;
    const share = { left: -x, right: x - 1, top: -y, bottom: y - 1 }[side];
    onChange(withMargin(margins, side, share));
  }

  return (
    <div class="editor">
      <div
        ref={board}
        class="board"
        style={{
          aspectRatio: `${media.width} / ${media.height}`,
          '--ratio': String(media.width / media.height),
        }}
      >
        <div
          class="new-frame"
          style={{
            left: percent(inner.left),
            top: percent(inner.top),
            width: percent(inner.width),
            height: percent(inner.height),
          }}
        />
        <div
          class="old-frame"
          style={{
            left: percent(room.value),
            top: percent(room.value),
            width: percent(1),
            height: percent(1),
          }}
        >
          <Moving media={media} frame={frame} playing={playing} leads alt={media.name} />
        </div>
        {SIDES.map((side) => (
          <div
            key={side}
            class={`handle ${side}`}
            role="slider"
            tabIndex={0}
            aria-label={`Extend ${side}`}
            aria-orientation={side === 'left' || side === 'right' ? 'horizontal' : 'vertical'}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(margins[side] * 100)}
            aria-valuetext={`${Math.round(margins[side] * 100)} percent`}
            style={handlePlace(side, inner, percent)}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={(event) =>
              event.currentTarget.hasPointerCapture(event.pointerId) && drag(side, event)
            }
            onKeyDown={(event) => {
              const by = stepOf(side, event.key);
              if (by === 0) return;
              event.preventDefault();
              onChange(withMargin(margins, side, margins[side] + by));
            }}
          />
        ))}
      </div>
      <p class="hint">
        {Math.round(media.width * inner.width)} × {Math.round(media.height * inner.height)} pixels:{' '}
        {SIDES.map((side) => `${side} ${Math.round(margins[side] * 100)} %`).join(', ')}
      </p>
    </div>
  );
}

/** Arrows move the side the way they point; up or right is also more for a reader of the slider's value. */
function stepOf(side: Side, key: string): number {
  const outwards: Record<Side, string> = {
    left: 'ArrowLeft',
    right: 'ArrowRight',
    top: 'ArrowUp',
    bottom: 'ArrowDown',
  };
  const inwards: Record<Side, string> = {
    left: 'ArrowRight',
    right: 'ArrowLeft',
    top: 'ArrowDown',
    bottom: 'ArrowUp',
  };
  if (key === outwards[side]) return STEP;
  return key === inwards[side] ? -STEP : 0;
}

function handlePlace(
  side: Side,
  { left, top, width, height }: { left: number; top: number; width: number; height: number },
  percent: (value: number) => string,
) {
  const middle = { left: percent(left + width / 2), top: percent(top + height / 2) };
  if (side === 'left') return { ...middle, left: percent(left) };
  if (side === 'right') return { ...middle, left: percent(left + width) };
  if (side === 'top') return { ...middle, top: percent(top) };
  return { ...middle, top: percent(top + height) };
}
