import type { Reporter } from '../../train/loop/reporter.js';
import { withOptions } from './fields.js';
import { Progress } from './progress.js';

/** Shows progress on stderr, and the library's sentences with options in the place of fields. */
export function progressReporter(): Reporter {
  let progress: Progress | null = null;
  return {
    start: (label, total, unit) => {
      progress = new Progress({ label, total, unit });
    },
    update: (done, note, limit) => progress?.update(done, note, limit),
    log: (sentence) => {
      const text = withOptions(sentence);
      if (progress) progress.log(text);
      else process.stderr.write(`${text}\n`);
    },
    end: () => progress?.end(),
  };
}
