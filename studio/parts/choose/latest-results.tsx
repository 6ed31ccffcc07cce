import { results } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { ResultCard } from '../results/result-card.js';

const SHOWN = 6;

/** A way back to what was made last. */
export function LatestResults() {
  const latest = results.value.filter(({ status }) => status === 'completed').slice(0, SHOWN);
  if (latest.length === 0) return null;
  return (
    <section aria-label="Your latest results" class="latest">
      <h2>
        Your latest <a href={linkTo('results')}>all results</a>
      </h2>
      <ul class="strip">
        {latest.map((job) => (
          <li key={job.id}>
            <ResultCard job={job} />
          </li>
        ))}
      </ul>
    </section>
  );
}
