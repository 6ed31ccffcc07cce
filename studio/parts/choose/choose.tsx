import type { Task } from '../../api/types.js';
import { NAMES } from '../../logic/task-names.js';
import { tasks } from '../../state/server.js';
import { LatestResults } from './latest-results.js';
import { TaskCard } from './task-card.js';

/** What a person begins with; a task of one's own is found by what it takes. */
const GROUPS: readonly { title: string; lead: string; has: (task: Task) => boolean }[] = [
  {
    title: 'From words',
    lead: 'Describe it.',
    has: ({ inputs, placed }) => inputs.length === 0 && !placed,
  },
  {
    title: 'From a picture',
    lead: 'Bring it to life, mend it, change it.',
    has: ({ inputs }) => inputs[0] === 'image',
  },
  {
    title: 'From a clip',
    lead: 'Go on with it, mend it, change it.',
    has: ({ inputs }) => inputs[0] === 'video' || inputs[0] === 'depth',
  },
  {
    title: 'From all of it at once',
    lead: 'Pictures, clips and depth on one time line.',
    has: ({ placed }) => placed,
  },
];

export function Choose() {
  return (
    <div class="choose">
      <h1>What would you like to make?</h1>
      <LatestResults />
      {tasks.value.length === 0 && <p class="quiet">Reading the tasks…</p>}
      {GROUPS.map(({ title, lead, has }) => {
        const members = tasks.value.filter(has).sort(byName);
        if (members.length === 0) return null;
        return (
          <section key={title} aria-label={title}>
            <h2>
              {title} <span class="quiet">{lead}</span>
            </h2>
            <ul class="cards">
              {members.map((task) => (
                <li key={task.id}>
                  <TaskCard task={task} />
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

/** In the order in which tasks are named; own tasks come last. */
function byName(a: Task, b: Task): number {
  const ids = Object.keys(NAMES);
  const rank = ({ id }: Task) => (ids.includes(id) ? ids.indexOf(id) : ids.length);
  return rank(a) - rank(b);
}
