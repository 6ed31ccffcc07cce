import type { Job, Task } from '../../api/types.js';
import { type Draft, keptMask } from '../../logic/draft.js';
import { nameOf } from '../../logic/task-names.js';
import { begun, change, show, views } from '../../state/drafts.js';
import { jobOf } from '../../state/jobs.js';
import { TaskPicture } from '../choose/task-picture.js';
import { KeptMask } from '../mask/kept-mask.js';
import { MarginsEditor } from '../mask/margins-editor.js';
import { MaskEditor } from '../mask/mask-editor.js';
import { Player } from '../media/player.js';
import { JobView } from '../results/job-view.js';
import { ResultStrip } from '../results/result-strip.js';
import { TimelineEditor } from '../timeline/timeline-editor.js';

interface StageProps {
  task: Task;
  draft: Draft;
}

/** The large picture: what is given, to be painted on; or what becomes of it. */
export function Stage({ task, draft }: StageProps) {
  // some may have been deleted
  const jobs = (begun.value.get(task.id) ?? []).map(jobOf).filter((job) => job !== undefined);
  const hasInput = task.placed || draft.inputs.some((input) => input !== null);
  const shown =
    hasInput && (views.value.get(task.id) !== 'result' || jobs.length === 0) ? 'input' : 'result';
  return (
    <section class="stage" aria-label={shown === 'input' ? 'What you give' : 'What becomes of it'}>
      {hasInput && jobs.length > 0 && (
        <fieldset class="segments" aria-label="Show">
          {(['input', 'result'] as const).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={shown === one}
              onClick={() => show(task.id, one)}
            >
              {one === 'input' ? 'What you give' : 'Results'}
            </button>
          ))}
        </fieldset>
      )}
      {shown === 'input' && <Editor task={task} draft={draft} />}
      {shown === 'result' && jobs.length === 0 && <Example task={task} />}
      {shown === 'result' && jobs.length > 0 && <Made task={task} jobs={jobs} />}
    </section>
  );
}

function Editor({ task, draft }: { task: Task; draft: Draft }) {
  const media = draft.inputs.find((input) => input !== null);
  if (task.placed) return <TimelineEditor task={task} draft={draft} />;
  if (!media) return null;
  if (task.mask === 'hole') {
    return (
      <>
        <KeptMask kept={keptMask(draft, task)} />
        <MaskEditor
          key={media.url}
          media={media}
          mask={draft.mask}
          onChange={(mask) => change(task, { mask })}
        />
      </>
    );
  }
  if (task.mask === 'margins') {
    return (
      <>
        <KeptMask kept={keptMask(draft, task)} />
        <MarginsEditor
          key={media.url}
          media={media}
          margins={draft.margins}
          onChange={(margins) => change(task, { margins })}
        />
      </>
    );
  }
  return (
    <div class="side-by-side">
      {draft.inputs
        .filter((input) => input !== null)
        .map((input) => (
          <Player key={input.url} media={input} alt={input.name} />
        ))}
    </div>
  );
}

/** The newest job of this task, or the one that was chosen below it. */
function Made({ task, jobs }: { task: Task; jobs: readonly Job[] }) {
  const first = jobs[0]!;
  return (
    <>
      <JobView key={first.id} job={first} />
      {jobs.length > 1 && <ResultStrip task={task.id} jobs={jobs} />}
    </>
  );
}

const Example = ({ task }: { task: Task }) => (
  <div class="example">
    <TaskPicture task={task} />
    <p class="quiet">{nameOf(task.id)}: an example made by the small model.</p>
  </div>
);
