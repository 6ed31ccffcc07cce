/** Options of `mfm runs`. */
import { defineArgs, type Options } from '../../terminal/args.js';

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
