import type { Field } from '../../logic/fields.js';

interface FieldInputProps {
  field: Field;
  text: string;
  /** whether the hint is read out only, and shown on pointing */
  brief: boolean;
  /** a sentence on what is wrong */
  problem: string | null;
  onText: (text: string) => void;
}

export function FieldInput({ field, text, brief, problem, onText }: FieldInputProps) {
  const { name, label, hint } = field;
  const hintId = `hint-${name}`;
  const described = {
    id: `field-${name}`,
    'aria-describedby': hint || problem ? hintId : undefined,
    'aria-invalid': problem !== null,
  };
  const note = (problem || hint) && (
    <small id={hintId} class={problem ? 'wrong' : brief ? 'sr' : 'hint'}>
      {problem ?? hint}
    </small>
  );
  if (field.kind === 'switch' && field.usual !== null) {
    return (
      <label class="check wide" title={hint}>
        <input
          type="checkbox"
          checked={text === '' ? field.usual : text === 'true'}
          {...described}
          onChange={({ currentTarget }) => onText(String(currentTarget.checked))}
        />
        <span>{label}</span>
        {note}
      </label>
    );
  }
  const isLong = field.kind === 'text' && field.long;
  return (
    <div class={`field ${isLong ? 'wide' : ''}`} title={hint}>
      <label for={`field-${name}`}>{label}</label>
      <Control field={field} text={text} onText={onText} described={described} />
      {note}
    </div>
  );
}

interface ControlProps {
  field: Field;
  text: string;
  onText: (text: string) => void;
  described: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean };
}

/** For a switch of which it is not known how it stands. */
const YES_OR_NO = ['true', 'false'];
const WORDS: Readonly<Record<string, string>> = { true: 'yes', false: 'no' };

function Control({ field, text, onText, described }: ControlProps) {
  const { placeholder, name } = field;
  if (field.kind === 'choice' || field.kind === 'switch') {
    const options = field.kind === 'choice' ? field.options : YES_OR_NO;
    return (
      <select
        name={name}
        value={text}
        {...described}
        onChange={({ currentTarget }) => onText(currentTarget.value)}
      >
        <option value="">{placeholder || 'usual'}</option>
        {options
          .filter((option) => option !== placeholder)
          .map((option) => (
            <option key={option} value={option}>
              {WORDS[option] ?? option}
            </option>
          ))}
      </select>
    );
  }
  if (field.kind === 'text' && field.long) {
    return (
      <textarea
        rows={2}
        name={name}
        value={text}
        placeholder={placeholder}
        {...described}
        onInput={({ currentTarget }) => onText(currentTarget.value)}
      />
    );
  }
  const mode = field.kind === 'text' ? 'text' : field.whole ? 'numeric' : 'decimal';
  return (
    <input
      type="text"
      inputMode={mode}
      name={name}
      value={text}
      placeholder={placeholder}
      autocomplete="off"
      {...described}
      onInput={({ currentTarget }) => onText(currentTarget.value)}
    />
  );
}
