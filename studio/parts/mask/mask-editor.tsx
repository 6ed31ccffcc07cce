import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Media } from '../../logic/draft.js';
import { act, emptyMask, keyFrames, type MaskDocument, redo, undo } from '../../logic/mask.js';
import { FrameBar } from '../media/frame-bar.js';
import { Moving } from '../media/moving.js';
import { Screen } from '../media/screen.js';
import { MaskCanvas } from './mask-canvas.js';
import { type Tool, ToolBar } from './tool-bar.js';

interface MaskEditorProps {
  media: Media;
  mask: MaskDocument | null;
  onChange: (mask: MaskDocument) => void;
}

/** Paints the part of a picture or clip that is to be made anew. */
export function MaskEditor({ media, mask, onChange }: MaskEditorProps) {
  const { width, height, numFrames } = media;
  const current = mask ?? emptyMask(width, height, numFrames);
  const frame = useSignal(0);
  const playing = useSignal(false);
  const tool = useSignal<Tool>('brush');
  const radius = useSignal(Math.max(2, Math.round(Math.min(width, height) / 12)));
  const feather = useSignal(0);

  // as they are now: a change elsewhere may come between two of the mask
  const latest = useRef({ current, onChange });
  latest.current = { current, onChange };

  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      const key = event.key.toLowerCase();
      const isUndo = (event.ctrlKey || event.metaKey) && (key === 'z' || key === 'y');
      if (!isUndo || isText(event.target)) return;
      event.preventDefault();
      const { current, onChange } = latest.current;
      onChange(key === 'y' || event.shiftKey ? redo(current) : undo(current));
    }
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  return (
    <div class="editor">
      <ToolBar
        tool={tool}
        radius={radius}
        feather={feather}
        most={Math.round(Math.min(width, height) / 2)}
        mask={current}
        moving={numFrames > 1}
        onChange={onChange}
        onFlood={(fill) => onChange(act(current, { kind: 'flood', frame: frame.value, fill }))}
      />
      <Screen width={width} height={height}>
        <Moving media={media} frame={frame} playing={playing} leads alt={media.name} />
        <MaskCanvas
          mask={current}
          frame={frame}
          tool={tool.value}
          radius={radius.value}
          feather={feather.value}
          onAct={(action) => onChange(act(current, action))}
        />
      </Screen>
      {numFrames > 1 && (
        <>
          <FrameBar
            frame={frame}
            playing={playing}
            numFrames={numFrames}
            marks={keyFrames(current)}
          />
          <p class="hint">
            What you paint stays from this frame on. If things move, go to a later frame and drag
            the mask there with Move: it glides in between.
          </p>
        </>
      )}
    </div>
  );
}

/** Where text is entered, the keys undo what was typed. */
const isText = (target: EventTarget | null): boolean =>
  target instanceof HTMLTextAreaElement ||
  (target instanceof HTMLInputElement && !['range', 'checkbox'].includes(target.type));
