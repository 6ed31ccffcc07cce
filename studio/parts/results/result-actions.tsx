import { useEffect, useRef } from 'preact/hooks';
import type { Job, Task } from '../../api/types.js';
import { nameOf } from '../../logic/task-names.js';
import { change, emptyInputs, recall, remember, show } from '../../state/drafts.js';
import { again, remove } from '../../state/jobs.js';
import { frameOf, mediaOfJob } from '../../state/media.js';
import { attempt } from '../../state/messages.js';
import { go, route } from '../../state/route.js';
import { taskOf, tasks } from '../../state/server.js';
import { Icon } from '../media/icon.js';
import { ActionButton } from '../shell/action-button.js';

/** What one can do with a result. */
export function ResultActions({ job }: { job: Job }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const task = taskOf(job.task);
  useEffect(() => {
    const element = menu.current!;
    const close = (event: Event) => {
      const isAway = event instanceof KeyboardEvent ? event.key === 'Escape' : isOutside(event);
      if (!isAway || !element.open) return;
      if (element.contains(document.activeElement)) element.querySelector('summary')!.focus();
      element.open = false;
    };
    const isOutside = ({ target }: Event) => !element.contains(target as Node);
    addEventListener('keydown', close);
    addEventListener('pointerdown', close);
    return () => {
      removeEventListener('keydown', close);
      removeEventListener('pointerdown', close);
    };
  }, []);

  async function withAnotherSeed() {
    const next = await again(job.id);
    if (!next) return;
    remember(next.task, [next]);
    go('make', next.task);
  }

  async function changeSettings() {
    if (!task) return;
    const done = await attempt(() => recall(task, job).then(() => true));
    if (done) go('make', task.id);
  }

  async function forget() {
    if (!confirm('Delete this result? It cannot be brought back.')) return;
    await remove(job.id);
    if (route.value.page === 'results') go('results');
  }

  function use(next: Task) {
    menu.current!.open = false;
    change(next, {
      inputs: emptyInputs(next).map((_, i) => (i === 0 ? inputFor(next, job) : null)),
      mask: null,
    });
    show(next.id, 'input');
    go('make', next.id);
  }

  return (
    <div class="buttons">
      <ActionButton onAct={withAnotherSeed}>
        <Icon name="again" /> Again with another seed
      </ActionButton>
      {task && (
        <ActionButton onAct={changeSettings}>
          <Icon name="brush" /> Change it
        </ActionButton>
      )}
      <details class="menu" ref={menu}>
        <summary class="button">
          <Icon name="next" /> Go on from here
        </summary>
        <ul>
          {tasks.value
            .filter((next) => fits(next, job))
            .map((next) => (
              <li key={next.id}>
                <button type="button" onClick={() => use(next)}>
                  {nameOf(next.id)}
                  <small>
                    {next.summary}
                    {takesFrame(next, job) && ', from its last frame'}
                  </small>
                </button>
              </li>
            ))}
        </ul>
      </details>
      <ActionButton class="icon-button" label="Delete" onAct={forget}>
        <Icon name="trash" />
      </ActionButton>
    </div>
  );
}

/** A clip can be a clip, or its last frame a picture. */
const fits = ({ inputs }: Task, job: Job): boolean =>
  inputs.length > 0 && (inputs[0] !== 'video' || job.result === 'video');

const takesFrame = ({ inputs }: Task, job: Job): boolean =>
  inputs[0] === 'image' && job.result === 'video';

function inputFor(task: Task, job: Job) {
  const media = mediaOfJob(job);
  return takesFrame(task, job) ? frameOf(media, -1) : media;
}
