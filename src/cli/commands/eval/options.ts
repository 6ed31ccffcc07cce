/** Options of `mfm eval`. */
import { MOST_RESULTS, MOST_STEPS } from '../../../limits.js';
import { deviceOption, dtypeOption } from '../../options/device.js';
import { defineArgs, type Options } from '../../terminal/args.js';

export const args = defineArgs({
  positional: {
    pipeline: {
      kind: 'text',
      optional: true,
      describe: 'folder, or ORG/NAME that was pulled (default: the newest in runs/ and models/)',
    },
  },
  options: {
    tasks: {
      kind: 'text',
      placeholder: 'T2V,VSR',
      describe:
        'tasks, with commas, or files that declare some of your own (default: all that the pipeline was trained on)',
    },
    scenes: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      describe: 'trials of a task: held-out MiniWorld scenes (default: 20), or items at most',
    },
    manifest: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'your own pictures and clips in place of scenes: any data set of `mfm data check`',
    },
    benchmark: {
      kind: 'text',
      choices: ['mfm'],
      describe: "the paper's comparison on your clips, with the conditions written to files",
    },
    clips: { kind: 'text', placeholder: 'FOLDER', describe: 'benchmark: the clips' },
    segments: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      describe: 'benchmark: segments of each clip, evenly spread (default: 1, from its middle)',
    },
    results: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: "benchmark: measure another system's results, TASK/NAME.mp4 or a folder of frames",
    },
    steps: {
      kind: 'integer',
      min: 1,
      max: MOST_STEPS,
      describe: "sampling steps (default: the pipeline's)",
    },
    guidance: { kind: 'number', min: 0, describe: "guidance (default: the pipeline's)" },
    seed: { kind: 'integer', min: 0, default: 0, describe: 'of the noise' },
    batchSize: { kind: 'integer', min: 1, max: 1024, default: 4, describe: 'trials made at once' },
    output: {
      kind: 'text',
      short: 'o',
      placeholder: 'FOLDER',
      describe: 'folder of the report (default: runs/eval- and the name of the pipeline)',
    },
    baselines: {
      kind: 'flag',
      default: true,
      describe: 'leave out what needs no model: measuring it takes minutes a clip at large sizes',
    },
    verbose: { kind: 'flag', default: false, describe: 'show all figures, not one for each task' },
    dtype: dtypeOption,
    device: deviceOption,
  },
});

export type EvalOptions = Options<typeof args>;
