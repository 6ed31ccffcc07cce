import type { Job } from '../../api/types.js';
import { duration } from '../../logic/format.js';
import { waiting } from '../../state/jobs.js';

const STAGES: Readonly<Record<NonNullable<Job['stage']>, string>> = {
  starting: 'starting',
  text: 'reading the words',
  condition: 'looking at what you gave',
  steps: 'taking shape',
  frames: 'drawing the frames',
  saving: 'saving',
};

const ENDS = { completed: 'done', failed: 'failed', cancelled: 'stopped' } as const;

/** What a job does, in a few words. */
export function statusText({ id, status, stage }: Job): string {
  if (status === 'queued') {
    // its own number is that of when it was queued
    const before = waiting.value.findIndex((job) => job.id === id);
    return before > 0 ? `waiting, ${before} before it` : 'next';
  }
  return status === 'in_progress' ? STAGES[stage ?? 'starting'] : ENDS[status];
}

/** `step 3 of 24`, or nothing. */
export const stepText = ({ stage, step, steps }: Job): string =>
  stage === 'steps' ? `step ${step} of ${steps}` : '';

/** `about 12 s left`, or nothing. */
export function timeLeft({ eta_seconds: eta }: Job): string {
  if (eta === null) return '';
  return eta < 1 ? 'almost done' : `about ${duration(eta)} left`;
}
