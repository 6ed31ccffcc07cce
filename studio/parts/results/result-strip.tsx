import { begun } from '../../state/drafts.js';
import { jobOf } from '../../state/jobs.js';
import { ResultCard } from './result-card.js';

/** The other results of a task; a press brings one to the front. */
export function ResultStrip({ task, ids }: { task: string; ids: readonly string[] }) {
  return (
    <ul class="strip" aria-label="Results of this task">
      {ids.map((id, i) => {
        const job = jobOf(id);
        if (!job) return null;
        const bring = () => {
          begun.value = new Map(begun.value).set(task, [
            id,
            ...ids.filter((other) => other !== id),
          ]);
        };
        return (
          <li key={id}>
            <ResultCard job={job} chosen={i === 0} onPick={bring} />
          </li>
        );
      })}
    </ul>
  );
}
