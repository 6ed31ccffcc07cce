import type { Job } from '../../api/types.js';
import { isOver } from '../../logic/job-state.js';
import { LiveJob } from './live-job.js';
import { ResultView } from './result-view.js';
import { Unmade } from './unmade.js';

/** A job as it is now: waiting or being made, done, or ended without a result. */
export function JobView({ job }: { job: Job }) {
  if (!isOver(job)) return <LiveJob job={job} />;
  return job.status === 'completed' ? <ResultView job={job} /> : <Unmade job={job} />;
}
