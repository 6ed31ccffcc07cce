import { useSignal } from '@preact/signals';
import type { Task } from '../../api/types.js';
import { nameOf } from '../../logic/task-names.js';
import { change, draftOf, planned, show, submit } from '../../state/drafts.js';
import { linkTo } from '../../state/route.js';
import { taskOf, tasks } from '../../state/server.js';
import { Icon } from '../media/icon.js';
import { GoBar } from './go-bar.js';
import { Inputs } from './inputs.js';
import { Kept } from './kept.js';
import { LoraChoice } from './lora-choice.js';
import { ModelChoice } from './model-choice.js';
import { Prompt } from './prompt.js';
import { SchemaForm } from './schema-form.js';
import { Stage } from './stage.js';

/** Where a person puts together what a task needs, and sees it come into being. */
export function Make({ id }: { id: string }) {
  const task = taskOf(id);
  if (!task) {
    if (tasks.value.length === 0) return <p class="quiet">Reading the tasks…</p>;
    return (
      <p>
        There is no task “{id}” here. <a href={linkTo('choose')}>See all tasks.</a>
      </p>
    );
  }
  return <MakeTask task={task} />;
}

function MakeTask({ task }: { task: Task }) {
  const draft = draftOf(task);
  const sending = useSignal(false);

  async function make(event: Event) {
    event.preventDefault();
    if (sending.peek() || planned.peek().state !== 'planned') return;
    sending.value = true;
    await submit(task);
    sending.value = false;
  }

  return (
    <div class="make">
      <header class="page-head">
        <a class="back" href={linkTo('choose')} aria-label="All tasks">
          <Icon name="back" />
        </a>
        <h1>{nameOf(task.id)}</h1>
        <p class="quiet">{task.summary}</p>
      </header>
      <div class="bench">
        <form
          class="give"
          aria-label="What you give"
          onSubmit={make}
          onKeyDown={(event) => {
            // in fields of one line, Enter alone sends the form
            const isSent = event.key === 'Enter' && (event.ctrlKey || event.metaKey);
            if (isSent && event.target instanceof HTMLTextAreaElement) void make(event);
          }}
        >
          <Inputs task={task} draft={draft} onGiven={() => show(task.id, 'input')} />
          <Prompt task={task} draft={draft} />
          <ModelChoice model={draft.model} onChange={(model) => change(task, { model })} />
          <LoraChoice draft={draft} onChange={(lora) => change(task, { lora })} />
          <SchemaForm task={task} draft={draft} />
          <Kept task={task} draft={draft} />
          <GoBar task={task} draft={draft} sending={sending.value} />
        </form>
        <Stage task={task} draft={draft} />
      </div>
    </div>
  );
}
