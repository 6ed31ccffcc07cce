import type { Task } from '../../api/types.js';
import { nameOf } from '../../logic/task-names.js';
import { linkTo } from '../../state/route.js';
import { TaskPicture } from './task-picture.js';

export function TaskCard({ task }: { task: Task }) {
  const { id, summary, trained } = task;
  return (
    <a class="card" href={linkTo('make', id)}>
      <TaskPicture task={task} />
      <span class="card-text">
        <strong>{nameOf(id)}</strong>
        <span>{summary}</span>
        {!trained && <span class="tag">not trained in this model</span>}
      </span>
    </a>
  );
}
