import { models } from '../../state/server.js';

interface ModelChoiceProps {
  model: string | null;
  onChange: (model: string | null) => void;
}

/** Which pipeline makes the result, if the server has several. */
export function ModelChoice({ model, onChange }: ModelChoiceProps) {
  const all = models.value;
  if (all.length < 2) return null;
  const usual = all.find((one) => one.default) ?? all[0]!;
  return (
    <label class="field">
      <span>Model</span>
      <select
        value={model ?? usual.id}
        onChange={({ currentTarget: { value } }) => onChange(value === usual.id ? null : value)}
      >
        {all.map(({ id }) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
    </label>
  );
}
