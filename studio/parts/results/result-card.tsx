import { urls } from '../../api/client.js';
import type { Job } from '../../api/types.js';
import { nameOf } from '../../logic/task-names.js';
import { states } from '../../state/jobs.js';
import { linkTo } from '../../state/route.js';
import { PreviewPicture } from './preview-picture.js';
import { statusText } from './status-text.js';

interface ResultCardProps {
  job: Job;
  chosen?: boolean;
  /** instead of going to the result's own page */
  onPick?: () => void;
}

export function ResultCard({ job, chosen = false, onPick }: ResultCardProps) {
  const inside = (
    <>
      <CardPicture job={job} />
      <span class="result-name">
        {job.prompt || nameOf(job.task)}
        <span class="sr">
          , {nameOf(job.task)}, {statusText(job)}
        </span>
      </span>
      {job.status !== 'completed' && (
        <span class={`state ${job.status}`} aria-hidden="true">
          {statusText(job)}
        </span>
      )}
    </>
  );
  if (onPick) {
    return (
      <button type="button" class="result-card" aria-pressed={chosen} onClick={onPick}>
        {inside}
      </button>
    );
  }
  return (
    <a class="result-card" href={linkTo('results', job.id)}>
      {inside}
    </a>
  );
}

function CardPicture({ job }: { job: Job }) {
  if (job.status === 'completed') {
    return (
      <img class="thumb pixels" src={urls.variant(job.id, 'thumbnail')} alt="" loading="lazy" />
    );
  }
  const preview = states.value.previews.get(job.id);
  return preview ? <PreviewPicture preview={preview} /> : <span class="thumb blank" />;
}
