import type { Run } from '../../api/types.js';
import { linkTo } from '../../state/route.js';

export function RunList({ runs }: { runs: readonly Run[] }) {
  return (
    <ul class="run-list">
      {runs.map((run) => (
        <li key={run.name}>
          <a href={linkTo('training', run.name)}>
            <span class="run-name">{run.name}</span>
            <span class={`state ${run.state}`}>{run.state}</span>
            <span class="quiet run-doing">{doingText(run)}</span>
            {run.state === 'running' && run.step !== null && run.steps !== null && (
              <progress max={run.steps} value={run.step} aria-label={`Progress of ${run.name}`} />
            )}
          </a>
        </li>
      ))}
    </ul>
  );
}

/** `transformer, step 40 of 200, loss 0.21, validation 0.19` */
export function doingText({ part, doing, step, steps, loss, validation }: Run): string {
  const parts = [
    part ?? doing,
    step === null ? null : `step ${step}${steps === null ? '' : ` of ${steps}`}`,
    loss === null ? null : `loss ${Number(loss.toPrecision(3))}`,
    validation === null ? null : `validation ${Number(validation.toPrecision(3))}`,
  ];
  return parts.filter(Boolean).join(', ');
}
