import type { Task } from '../../api/types.js';
import type { Draft } from '../../logic/draft.js';
import { change } from '../../state/drafts.js';

export function Prompt({ task, draft }: { task: Task; draft: Draft }) {
  const instruction = task.prompt_is === 'instruction';
  const label = instruction ? 'What to change' : 'What it should show';
  return (
    <label class="field prompt">
      <span>
        {label} {task.prompt === 'optional' && <span class="quiet">optional</span>}
      </span>
      <textarea
        rows={3}
        value={draft.prompt}
        placeholder={
          instruction ? 'make the cube blue' : 'a small red cube moves left behind a blue sphere'
        }
        onInput={({ currentTarget }) => change(task, { prompt: currentTarget.value })}
      />
    </label>
  );
}
