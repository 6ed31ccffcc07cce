import type { Task } from '../../api/types.js';
import { type Draft, problems } from '../../logic/draft.js';
import { type Field, fieldsOf } from '../../logic/fields.js';
import { setField } from '../../state/drafts.js';
import { FieldInput } from './field-input.js';

/** The settings that a task takes, as the server describes them. */
export function SchemaForm({ task, draft }: { task: Task; draft: Draft }) {
  const { main, more } = fieldsOf(task);
  const wrong = new Map(problems(draft, task).map(({ field, problem }) => [field.name, problem]));
  const input = (field: Field, brief: boolean) => (
    <FieldInput
      key={field.name}
      field={field}
      text={draft.fields[field.name] ?? ''}
      brief={brief}
      problem={wrong.get(field.name) ?? null}
      onText={(text) => setField(task, field.name, text)}
    />
  );
  const changed = more.filter(({ name }) => draft.fields[name]).length;
  return (
    <>
      <div class="fields">{main.map((field) => input(field, true))}</div>
      {more.length > 0 && (
        <details class="more">
          <summary>More settings {changed > 0 && <span class="badge">{changed}</span>}</summary>
          <div class="fields">{more.map((field) => input(field, false))}</div>
        </details>
      )}
    </>
  );
}
