import type { Job } from '../../api/types.js';
import { count } from '../../logic/format.js';
import { nameOf } from '../../logic/task-names.js';
import { queue, reorder, running, steerQueue, stop, waiting } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { Icon } from '../media/icon.js';
import { LiveJob } from './live-job.js';

/** What is being made, and what waits. */
export function Queue() {
  const paused = queue.value?.paused === true;
  const open = waiting.value;
  return (
    <div class="queue">
      <header class="page-head">
        <h1>Queue</h1>
        <button type="button" onClick={() => steerQueue(paused ? 'resume' : 'pause')}>
          <Icon name={paused ? 'play' : 'pause'} /> {paused ? 'Go on' : 'Pause'}
        </button>
      </header>
      {paused && (
        <p class="note">Paused: what is being made is finished, and nothing else begins.</p>
      )}
      {running.value.length + open.length === 0 && (
        <p class="quiet empty">
          Nothing waits. <a href={linkTo('choose')}>Choose what to make.</a>
        </p>
      )}
      {running.value.map((job) => (
        <section key={job.id} class="panel now" aria-label="Being made">
          <h2>{titleOf(job)}</h2>
          <LiveJob job={job} />
        </section>
      ))}
      {open.length > 0 && (
        <section aria-label="Waiting">
          <h2>
            Waiting{' '}
            <span class="quiet">
              {count(open.length, 'job')}. They are made even if you close this page.
            </span>
          </h2>
          <ol class="waiting-list">
            {open.map((job, i) => (
              <WaitingRow key={job.id} job={job} index={i} ids={open.map(({ id }) => id)} />
            ))}
          </ol>
        </section>
      )}
    </div>
  );
}

const titleOf = (job: Job): string => job.prompt || nameOf(job.task);

function WaitingRow({ job, index, ids }: { job: Job; index: number; ids: readonly string[] }) {
  const title = titleOf(job);
  const moveTo = (to: number) => {
    const order = ids.filter((id) => id !== job.id);
    order.splice(to, 0, job.id);
    void reorder(order);
  };
  return (
    <li class="waiting-row">
      <span class="waiting-number">{index + 1}</span>
      <a href={linkTo('results', job.id)}>{title}</a>
      <span class="quiet">
        {nameOf(job.task)}, seed {job.seed}
      </span>
      <span class="row-buttons">
        <button
          type="button"
          class="icon-button"
          aria-label={`Earlier: ${title}`}
          disabled={index === 0}
          onClick={() => moveTo(index - 1)}
        >
          <Icon name="up" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label={`Later: ${title}`}
          disabled={index === ids.length - 1}
          onClick={() => moveTo(index + 1)}
        >
          <Icon name="down" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label={`Remove: ${title}`}
          onClick={() => stop(job.id)}
        >
          <Icon name="close" />
        </button>
      </span>
    </li>
  );
}
