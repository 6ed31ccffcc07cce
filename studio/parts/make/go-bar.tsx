import type { ApiProblem, Plan, Task } from '../../api/types.js';
import type { Draft } from '../../logic/draft.js';
import { duration, extent, size, withoutFolders } from '../../logic/format.js';
import { change, planned, setField } from '../../state/drafts.js';
import { running, waiting } from '../../state/jobs.js';
import { Icon } from '../media/icon.js';

const MOST = 50;

interface GoBarProps {
  task: Task;
  draft: Draft;
  /** whether the request is being sent */
  sending: boolean;
}

/** What one would get, or why not, and the button that makes it. */
export function GoBar({ task, draft, sending }: GoBarProps) {
  const state = planned.value;

  return (
    <div class="go-bar">
      <div class="plan" aria-live="polite">
        {state.state === 'missing' && <p class="quiet">{state.sentence}</p>}
        {state.state === 'asking' && <p class="quiet">Planning…</p>}
        {state.state === 'planned' && <PlanText plan={state.plan} count={draft.count} />}
        {state.state === 'refused' && <Refusal task={task} problem={state.problem} />}
      </div>
      <div class="go-row">
        <label class="count">
          <span class="sr">How many results</span>
          <input
            type="number"
            min={1}
            max={MOST}
            value={draft.count}
            onInput={({ currentTarget: { value } }) => {
              // while nothing is there, a person is about to enter another number
              const count = Math.min(MOST, Math.max(1, Math.round(Number(value))));
              if (value !== '') change(task, { count });
            }}
            onBlur={({ currentTarget }) => {
              currentTarget.value = String(draft.count);
            }}
          />
          <span aria-hidden="true">×</span>
        </label>
        <button
          type="submit"
          class="primary go"
          disabled={state.state !== 'planned'}
          aria-disabled={sending}
        >
          <Icon name="spark" /> {draft.count > 1 ? `Make ${draft.count}` : 'Make it'}
        </button>
      </div>
    </div>
  );
}

function PlanText({ plan, count }: { plan: Plan; count: number }) {
  const { seconds, peak_bytes: peak, queue_seconds: wait, notes, num_windows: windows } = plan;
  const time = seconds === null ? null : `about ${duration(seconds * count)}`;
  const memory = peak === null ? null : `${size(peak)} of memory`;
  const parts = [extent(plan), time, memory];
  if (windows !== null && windows > 1) parts.push(`${windows} windows`);
  return (
    <>
      <p>{parts.filter(Boolean).join(' · ')}</p>
      {wait !== null && wait >= 1 && isBusy() && (
        <p class="quiet">Begins in about {duration(wait)}, after what is queued.</p>
      )}
      {notes.map((note) => (
        <p key={note} class="quiet note">
          {withoutFolders(note)}
        </p>
      ))}
    </>
  );
}

const isBusy = (): boolean => running.value.length + waiting.value.length > 0;

/** Why it cannot be made, and what would fit at one press. */
function Refusal({ task, problem }: { task: Task; problem: ApiProblem }) {
  return (
    <div class="refusal" role="alert">
      <p>{problem.message}</p>
      {problem.fits && problem.fits.length > 0 && (
        <p class="fits">
          {problem.fits.flatMap((fit) =>
            Object.entries(fit)
              .filter(([name]) => task.schema.properties[name] !== undefined)
              .map(([name, value]) => (
                <button
                  key={name}
                  type="button"
                  onClick={() => setField(task, name, String(value))}
                >
                  Use {name.replaceAll('_', ' ')} {String(value)}
                </button>
              )),
          )}
        </p>
      )}
    </div>
  );
}
