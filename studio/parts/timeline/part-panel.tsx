import { useSignal } from '@preact/signals';
import { keptMaskOfPart, type Part } from '../../logic/draft.js';
import { KeptMask } from '../mask/kept-mask.js';
import { MaskEditor } from '../mask/mask-editor.js';
import { framesText } from './track.js';

interface PartPanelProps {
  part: Part;
  onChange: (changes: Partial<Part>) => void;
  onRemove: () => void;
}

/** How much of a part is known. */
export function PartPanel({ part, onChange, onRemove }: PartPanelProps) {
  const painting = useSignal(part.mask !== null || keptMaskOfPart(part) !== null);
  return (
    <section class="part-panel" aria-label="The chosen part">
      <h2>
        {part.media.name} <span class="quiet">{framesText(part)}</span>
      </h2>
      <div class="fields">
        <label class="field">
          <span>Keep {Math.round(part.keep * 100)} %</span>
          <input
            type="range"
            min={0.05}
            max={1}
            step={0.05}
            value={part.keep}
            onInput={({ currentTarget }) => onChange({ keep: Number(currentTarget.value) })}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={part.gray}
            onChange={({ currentTarget }) => onChange({ gray: currentTarget.checked })}
          />
          <span>Only its brightness is known</span>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={painting.value}
            onChange={({ currentTarget }) => {
              painting.value = currentTarget.checked;
              if (currentTarget.checked) return;
              onChange({ mask: null, given: part.given && { ...part.given, mask: null } });
            }}
          />
          <span>Paint a part of it to be made anew</span>
        </label>
        <button type="button" onClick={onRemove}>
          Remove this part
        </button>
      </div>
      {part.given?.depth && (
        <p class="hint">Its depth is known, too, as in the result that you change.</p>
      )}
      <KeptMask kept={keptMaskOfPart(part)} />
      {painting.value && (
        <MaskEditor media={part.media} mask={part.mask} onChange={(mask) => onChange({ mask })} />
      )}
    </section>
  );
}
