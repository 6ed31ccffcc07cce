import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { nameOf } from '../../logic/task-names.js';
import { connected } from '../../state/connection.js';
import { find, jobOf } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { Icon } from '../media/icon.js';
import { JobView } from './job-view.js';

export function ResultPage({ id }: { id: string }) {
  const job = jobOf(id);
  const isGone = useSignal(false);
  const isUnknown = job === undefined;
  useEffect(() => {
    if (!isUnknown || !connected.value) return;
    void find(id).then((isThere) => {
      isGone.value = isThere === false;
    });
  }, [id, isUnknown, connected.value]);
  return (
    <div class="result-page">
      <header class="page-head">
        <a class="back" href={linkTo('results')} aria-label="All results">
          <Icon name="back" />
        </a>
        <h1>{job ? job.prompt || nameOf(job.task) : 'Result'}</h1>
        {job && <p class="quiet">{nameOf(job.task)}</p>}
      </header>
      {job ? (
        <JobView key={`${id} ${job.status}`} job={job} />
      ) : (
        <p class="quiet" role="status">
          {isGone.value ? 'There is no such result; it may have been deleted.' : 'Looking for it…'}
        </p>
      )}
    </div>
  );
}
