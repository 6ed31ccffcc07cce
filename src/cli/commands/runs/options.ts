/** Options of `mfm runs`. */
import { defineArgs, type Options } from '../../terminal/args.js';

export const args = defineArgs({
  positional: {
    run: {
      kind: 'text',
      repeat: true,
      optional: true,
      placeholder: 'FOLDER|RUN',
      describe:
        'folder of runs to list (default: runs), or runs to compare: folders, or names in runs',
    },
  },
  options: {
    plot: {
      kind: 'text',
      placeholder: 'FILE',
      describe:
        'file for the plot, .html or .png (default: compare-A-B/report.html beside the first run)',
    },
    by: {
      kind: 'text',
      choices: ['steps', 'time', 'samples'],
      default: 'steps',
      describe: 'x axis of the plot',
    },
    part: {
      kind: 'text',
      describe: 'part of the training (default: the newest that all runs have)',
    },
    figures: {
      kind: 'text',
      placeholder: 'T2V,GRADNORM',
      describe:
        'figures to compare, separated by commas, by name or its last part: t2v means loss/t2v and validation/t2v; t2* means all that begin with t2 (default: all)',
    },
    smooth: {
      kind: 'number',
      min: 0,
      max: 0.999,
      default: 0.9,
      describe: 'smoothing: weight of the previous values; 0 shows the values unsmoothed',
    },
    scale: {
      kind: 'text',
      choices: ['log', 'linear'],
      default: 'log',
      describe: 'scale of losses and gradient norms in the plot',
    },
    json: { kind: 'flag', default: false, describe: 'print JSON instead of tables' },
  },
});

export type RunsOptions = Options<typeof args>;
