import type { Reporter } from '../../train/loop/reporter.js';
import { Progress } from './progress.js';

/** Progress lines on stderr. */
export function progressReporter(): Reporter {
  let progress: Progress | null = null;
  return {
    start: (label, total, unit) => {
      progress = new Progress({ label, total, unit });
    },
    update: (done, note, limit) => progress?.update(done, note, limit),
    log: (text) => (progress ? progress.log(text) : process.stderr.write(`${text}\n`)),
    end: () => progress?.end(),
  };
}
