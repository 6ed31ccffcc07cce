import type { Job } from '../../api/types.js';
import { count } from '../../logic/format.js';
import { nameOf } from '../../logic/task-names.js';
import { areRead, paused, reorder, running, steerQueue, stop, waiting } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { Icon } from '../media/icon.js';
import { ActionButton } from '../shell/action-button.js';
import { useKeptFocus } from './kept-focus.js';
import { LiveJob } from './live-job.js';

/** What is being made, and what waits. */
export function Queue() {
  const open = waiting.value;
  const { list, heading } = useKeptFocus();
  return (
    <div class="queue">
      <header class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          Queue
        </h1>
        <ActionButton onAct={() => steerQueue(paused.value ? 'resume' : 'pause')}>
          <Icon name={paused.value ? 'play' : 'pause'} /> {paused.value ? 'Go on' : 'Pause'}
        </ActionButton>
      </header>
      {paused.value && (
        <p class="note">Paused: what is being made is finished, and nothing else begins.</p>
      )}
      {running.value.length + open.length === 0 && (
        <p class="quiet empty">
          {areRead.value ? 'Nothing waits.' : 'Reading the queue…'}{' '}
          <a href={linkTo('choose')}>Choose what to make.</a>
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
          <ol ref={list} class="waiting-list">
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
    return reorder(order);
  };
  return (
    <li class="waiting-row">
      <span class="waiting-number">{index + 1}</span>
      <a href={linkTo('results', job.id)}>{title}</a>
      <span class="quiet">
        {nameOf(job.task)}, seed {job.seed}
      </span>
      <span class="row-buttons">
        <ActionButton
          class="icon-button"
          label={`Earlier: ${title}`}
          disabled={index === 0}
          onAct={() => moveTo(index - 1)}
        >
          <Icon name="up" />
        </ActionButton>
        <ActionButton
          class="icon-button"
          label={`Later: ${title}`}
          disabled={index === ids.length - 1}
          onAct={() => moveTo(index + 1)}
        >
          <Icon name="down" />
        </ActionButton>
        <ActionButton class="icon-button" label={`Remove: ${title}`} onAct={() => stop(job.id)}>
          <Icon name="close" />
        </ActionButton>
      </span>
    </li>
  );
}
