import type { Draft } from '../../logic/draft.js';
import { usableLoras } from '../../state/training.js';

interface LoraChoiceProps {
  draft: Draft;
  onChange: (lora: Draft['lora']) => void;
}

/** What was learned in a fine-tuning, added to the model. */
export function LoraChoice({ draft, onChange }: LoraChoiceProps) {
  const loras = usableLoras();
  if (loras.length === 0) return null;
  const { lora } = draft;
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
          {loras.map(({ fine_tuned_model: id, name }) => (
            <option key={id} value={id!}>
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
