import type { Reporter } from '../../train/loop/reporter.js';
import { withOptions } from './fields.js';
import { Progress } from './progress.js';

/** Shows progress on stderr, and the library's sentences with options in the place of fields. */
export function progressReporter(): Reporter {
  const open: Progress[] = []; // the innermost last
  return {
    start: (label, total, unit) => {
      open.at(-1)?.clear();
      open.push(new Progress({ label, total, unit }));
    },
    update: (done, note, limit) => open.at(-1)?.update(done, note, limit),
    log: (sentence) => {
      const text = withOptions(sentence);
      const progress = open.at(-1);
      if (progress) progress.log(text);
      else process.stderr.write(`${text}\n`);
    },
    end: () => open.pop()?.end(),
  };
}
