/** Limits the number of concurrent jobs in a worker thread, which may receive more at once. */

/** Wraps `handle` so that at most `atOnce` calls run at a time; the others wait in order of arrival. */
export function limited<Job, Result>(
  atOnce: number,
  handle: (job: Job) => Promise<Result>,
): (job: Job) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (job) => {
    if (running === atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await handle(job);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
