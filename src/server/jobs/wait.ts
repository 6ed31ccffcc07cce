/** Waiting for a job to end. */
import type { Events } from './events.js';
import { hasEnded, type JobRecord } from './job.js';
import type { Queue } from './queue.js';

/**
 * Returns when the job has ended. If whoever waits goes away, it is cancelled.
 * @throws HttpError if the server ends before: then the job goes on when it has started
 */
export async function whenEnded(
  { events, queue }: { events: Events; queue: Queue },
  job: JobRecord,
  away: AbortSignal,
): Promise<void> {
  if (hasEnded(job)) return;
  queue.expectOpen();
  let stop = () => {};
  const ended = new Promise<void>((resolve) => {
    const end = () => resolve();
    queue.ending.addEventListener('abort', end);
    const forget = events.listen(({ about }) => {
      if (about === job.id && hasEnded(job)) resolve();
    });
    stop = () => {
      forget();
      queue.ending.removeEventListener('abort', end);
    };
  });
  const cancel = () => void queue.cancel(job.id).catch(() => {});
  away.addEventListener('abort', cancel, { once: true });
  if (away.aborted) cancel();
  try {
    await ended;
    if (!hasEnded(job)) queue.expectOpen();
  } finally {
    stop();
    away.removeEventListener('abort', cancel);
  }
}
