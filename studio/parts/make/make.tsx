import type { Task } from '../../api/types.js';
import { nameOf } from '../../logic/task-names.js';
import { change, draftOf, show } from '../../state/drafts.js';
import { linkTo } from '../../state/route.js';
import { taskOf, tasks } from '../../state/server.js';
import { Icon } from '../media/icon.js';
import { GoBar } from './go-bar.js';
import { Inputs } from './inputs.js';
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
        <form class="give" aria-label="What you give" onSubmit={(event) => event.preventDefault()}>
          <Inputs task={task} draft={draft} onGiven={() => show(task.id, 'input')} />
          <Prompt task={task} draft={draft} />
          <ModelChoice model={draft.model} onChange={(model) => change(task, { model })} />
          <LoraChoice draft={draft} onChange={(lora) => change(task, { lora })} />
          <SchemaForm task={task} draft={draft} />
          <GoBar task={task} draft={draft} />
        </form>
        <Stage task={task} draft={draft} />
      </div>
    </div>
  );
}
