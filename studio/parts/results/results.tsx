import { signal } from '@preact/signals';
import { nameOf } from '../../logic/task-names.js';
import { areRead, hasMore, loadMore, results } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { ActionButton } from '../shell/action-button.js';
import { ResultCard } from './result-card.js';

/** What is looked for; it stays while one looks at a result. */
const task = signal('');
const words = signal('');

/** Everything that was made. */
export function Results() {
  const all = results.value;
  const tasks = [...new Set([...all.map((job) => job.task), task.value])].filter(Boolean);
  const wanted = words.value.trim().toLowerCase();
  const shown = all.filter(
    (job) =>
      (!task.value || job.task === task.value) &&
      (!wanted || job.prompt.toLowerCase().includes(wanted) || job.seed === wanted),
  );
  return (
    <div class="results">
      <header class="page-head">
        <h1>Results</h1>
      </header>
      {all.length === 0 ? (
        <p class="quiet empty">
          {areRead.value ? 'Nothing was made yet.' : 'Reading the results…'}{' '}
          <a href={linkTo('choose')}>Choose what to make.</a>
        </p>
      ) : (
        <search class="filters">
          <label class="field">
            <span class="sr">Words or seed</span>
            <input
              type="search"
              placeholder="Words or seed"
              value={words.value}
              onInput={({ currentTarget }) => {
                words.value = currentTarget.value;
              }}
            />
          </label>
          <label class="field">
            <span class="sr">Task</span>
            <select
              value={task.value}
              onChange={({ currentTarget }) => {
                task.value = currentTarget.value;
              }}
            >
              <option value="">all tasks</option>
              {tasks.map((id) => (
                <option key={id} value={id}>
                  {nameOf(id)} ({id})
                </option>
              ))}
            </select>
          </label>
        </search>
      )}
      <ul class="gallery">
        {shown.map((job) => (
          <li key={job.id}>
            <ResultCard job={job} />
          </li>
        ))}
      </ul>
      {all.length > 0 && shown.length === 0 && (
        <p class="quiet empty">
          {hasMore.value ? 'None of these results is like that.' : 'No result is like that.'}
        </p>
      )}
      {hasMore.value && (
        <ActionButton class="load-more" onAct={loadMore} doing="Reading…">
          Older ones
        </ActionButton>
      )}
    </div>
  );
}
