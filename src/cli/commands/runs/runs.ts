/** `mfm runs`: lists runs, and compares some of them in a table and a plot. */
import { InputError } from '../../../errors.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';

export const summary = 'list the training runs, or compare some of them';

export const args = defineArgs({
  positional: {
    run: {
      kind: 'text',
      repeat: true,
      optional: true,
      placeholder: 'FOLDER|RUN',
      describe: 'a folder of runs (default: runs), or runs to compare: folders, or names in runs',
    },
  },
  options: {
    plot: {
      kind: 'text',
      placeholder: 'FILE',
      describe:
        'where the plot goes, .html or .png (default: compare-A-B/report.html beside the first)',
    },
    by: {
      kind: 'text',
      choices: ['steps', 'time', 'samples'],
      default: 'steps',
      describe: 'what the plot goes over',
    },
    part: { kind: 'text', describe: 'part of the training (default: the newest that all have)' },
    figures: {
      kind: 'text',
      placeholder: 'T2V,GRADNORM',
      describe:
        'figures that are compared, with commas, by name or its last part: t2v is loss/t2v and validation/t2v; t2* is all that begin so (default: everything)',
    },
    smooth: {
      kind: 'number',
      min: 0,
      max: 0.999,
      default: 0.9,
      describe: 'weight of the values before; 0 shows them as they are',
    },
    scale: {
      kind: 'text',
      choices: ['log', 'linear'],
      default: 'log',
      describe: 'of losses and gradient norms in the plot',
    },
    json: { kind: 'flag', default: false, describe: 'print JSON instead of tables' },
  },
});
export type RunsOptions = Options<typeof args>;

export const examples: readonly Example[] = [
  ['what has been trained, and what runs now', 'runs'],
  ['two runs: where their recipes differ, their losses, a page of plots', 'runs mine other'],
  ['some curves over time, as a picture', 'runs mine other --by time --figures "t2*" --plot a.png'],
];

export async function run(options: RunsOptions): Promise<undefined> {
  const { findRuns } = await import('./find.js');
  const found = findRuns(options.run ?? []);
  if (found.compare || options.plot !== undefined) {
    if (found.folders.length === 0) {
      throw new InputError(`${found.where}: holds no runs to plot; name another folder, or runs`);
    }
    const { compareRuns } = await import('./compare.js');
    await compareRuns(found.folders, options);
  } else {
    const { listRuns } = await import('./list.js');
    listRuns(found, options);
  }
}
