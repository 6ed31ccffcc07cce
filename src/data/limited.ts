/** For worker threads, which are given more jobs than they should have under way. */

/** Calls `handle` for at most `atOnce` jobs at a time; the others wait in the order they came in. */
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
