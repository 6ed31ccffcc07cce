/** Waiting for a job to end. */
import type { Events } from './events.js';
import type { JobRecord } from './job.js';
import type { Queue } from './queue.js';

export const hasEnded = ({ status }: Pick<JobRecord, 'status'>): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** Returns when the job has ended. If whoever waits goes away, it is cancelled. */
export async function whenEnded(
  { events, queue }: { events: Events; queue: Queue },
  job: JobRecord,
  away: AbortSignal,
): Promise<void> {
  if (hasEnded(job)) return;
  let stop = () => {};
  const ended = new Promise<void>((resolve) => {
    stop = events.listen(({ about }) => {
      if (about === job.id && hasEnded(job)) resolve();
    });
  });
  const cancel = () => void queue.cancel(job.id).catch(() => {});
  away.addEventListener('abort', cancel, { once: true });
  if (away.aborted) cancel();
  try {
    await ended;
  } finally {
    stop();
    away.removeEventListener('abort', cancel);
  }
}
