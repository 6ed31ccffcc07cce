import type { Job } from '../../api/types.js';
import { begun } from '../../state/drafts.js';
import { ResultCard } from './result-card.js';

/** The other results of a task; a press brings one to the front. */
export function ResultStrip({ task, jobs }: { task: string; jobs: readonly Job[] }) {
  const bring = (id: string) => {
    const others = (begun.value.get(task) ?? []).filter((other) => other !== id);
    begun.value = new Map(begun.value).set(task, [id, ...others]);
  };
  return (
    <ul class="strip" aria-label="Results of this task">
      {jobs.map((job, i) => (
        <li key={job.id}>
          <ResultCard job={job} chosen={i === 0} onPick={() => bring(job.id)} />
        </li>
      ))}
    </ul>
  );
}
