import type { Task } from '../../api/types.js';
import { type Draft, givenOf } from '../../logic/draft.js';
import { inWords } from '../../logic/format.js';
import { change } from '../../state/drafts.js';

/** What is sent as an earlier result had it, since there is no editor for it here. */
export function Kept({ task, draft }: { task: Task; draft: Draft }) {
  const names = Object.entries(draft.others).map(
    ([name, value]) => `${name.replaceAll('_', ' ')} ${inWords(value)}`,
  );
  for (const { id, scale } of draft.moreLoras) names.push(`the LoRA ${id} (${scale.toFixed(2)})`);
  if (givenOf(draft)?.depth) names.push('depth of the input');
  if (names.length === 0) return null;
  return (
    <p class="hint">
      As in the result that you change: {names.join('; ')}.{' '}
      <button
        type="button"
        onClick={() =>
          change(task, ({ given }) => ({
            others: {},
            moreLoras: [],
            given: given && { ...given, depth: null },
          }))
        }
      >
        Leave this out
      </button>
    </p>
  );
}
