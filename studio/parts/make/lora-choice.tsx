import { useEffect } from 'preact/hooks';
import type { Draft } from '../../logic/draft.js';
import { look } from '../../state/messages.js';
import { loras, readLoras } from '../../state/training.js';

interface LoraChoiceProps {
  draft: Draft;
  onChange: (lora: Draft['lora']) => void;
}

/** What was learned in a fine-tuning, added to the model. */
export function LoraChoice({ draft, onChange }: LoraChoiceProps) {
  // some may have come into the server's folder without a word
  useEffect(() => void look(readLoras), []);
  const { lora } = draft;
  const known = loras.value.map(({ id, name }) => ({ id, name }));
  // that of an earlier result may be gone
  if (lora && !known.some(({ id }) => id === lora.id)) known.push({ id: lora.id, name: lora.id });
  if (known.length === 0) return null;
  return (
    <div class="fields">
      <label class="field">
        <span>Fine-tuned with</span>
        <select
          value={lora?.id ?? ''}
          onChange={({ currentTarget: { value } }) =>
            onChange(value ? { id: value, scale: lora?.scale ?? 1 } : null)
          }
        >
          <option value="">nothing</option>
          {known.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {lora && (
        <label class="field">
          <span>Strength {lora.scale.toFixed(2)}</span>
          <input
            type="range"
            min={0}
            max={1.5}
            step={0.05}
            value={lora.scale}
            onInput={({ currentTarget }) =>
              onChange({ id: lora.id, scale: Number(currentTarget.value) })
            }
          />
        </label>
      )}
    </div>
  );
}
