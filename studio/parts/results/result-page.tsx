import { useEffect } from 'preact/hooks';
import { nameOf } from '../../logic/task-names.js';
import { find, jobOf } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { Icon } from '../media/icon.js';
import { JobView } from './job-view.js';

export function ResultPage({ id }: { id: string }) {
  const job = jobOf(id);
  useEffect(() => {
    if (!job) void find(id);
  }, [id]);
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
        <p class="quiet">Looking for it…</p>
      )}
    </div>
  );
}
