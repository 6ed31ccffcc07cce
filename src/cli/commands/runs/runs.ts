/** `mfm runs`: lists runs, and compares some of them in a table and a plot. */
import { InputError } from '../../../errors.js';
import type { Example } from '../../terminal/help.js';
import type { RunsOptions } from './options.js';

export { args } from './options.js';

export const summary = 'list the training runs, or compare some of them';
export const examples: readonly Example[] = [
  ['finished runs, and those that are running now', 'runs'],
  [
    'compare two runs: differences of their recipes, losses, and a page of plots',
    'runs mine other',
  ],
  [
    'plot some curves over time, as a picture',
    'runs mine other --by time --figures "t2*" --plot a.png',
  ],
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
