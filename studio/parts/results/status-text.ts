import type { Job } from '../../api/types.js';
import { duration } from '../../logic/format.js';

const STAGES: Readonly<Record<string, string>> = {
  starting: 'starting',
  text: 'reading the words',
  condition: 'looking at what you gave',
  steps: 'taking shape',
  frames: 'drawing the frames',
  saving: 'saving',
};

/** What a job does, in a few words. */
export function statusText(job: Job): string {
  const { status, stage, step, steps, queue_position: position } = job;
  if (status === 'queued') {
    return position === null || position === 0 ? 'next' : `waiting, ${position} before it`;
  }
  if (status !== 'in_progress')
    return { completed: 'done', failed: 'failed', cancelled: 'stopped' }[status];
  const words = STAGES[stage ?? ''] ?? stage ?? 'starting';
  return stage === 'steps' && step !== null && steps !== null
    ? `${words}, step ${step} of ${steps}`
    : words;
}

/** `about 12 s left`, or nothing. */
export function timeLeft({ eta_seconds: eta }: Job): string {
  if (eta === null) return '';
  return eta < 1 ? 'almost done' : `about ${duration(eta)} left`;
}
