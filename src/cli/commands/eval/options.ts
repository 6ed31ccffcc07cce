/** Options of `mfm eval`. */
import { MOST_RESULTS } from '../../../limits.js';
import { deviceOption, dtypeOption } from '../../options/device.js';
import { defineArgs, type Options } from '../../terminal/args.js';

export const args = defineArgs({
  positional: {
    pipeline: {
      kind: 'text',
      optional: true,
      describe:
        'folder, or ORG/NAME that `mfm pull` downloaded (default: the newest in runs/ and models/)',
    },
  },
  options: {
    tasks: {
      kind: 'text',
      placeholder: 'T2V,VSR',
      describe:
        'tasks, separated by commas, or files that declare your own; any:keys+depth and any:hole+key are two mixtures, isr:2x to vsr:4x enlarge by 2, 3 or 4 (default: all that the pipeline was trained on)',
    },
    scenes: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      describe:
        'trials per task: number of held-out MiniWorld scenes (default: 20), or the most items of your data',
    },
    manifest: {
      kind: 'text',
      placeholder: 'FILE',
      describe:
        'your own pictures and clips instead of MiniWorld scenes: any data set that `mfm data check` reads',
    },
    benchmark: {
      kind: 'text',
      choices: ['mfm'],
      describe: "run the paper's comparison on your clips, and write the conditions to files",
    },
    clips: { kind: 'text', placeholder: 'FOLDER', describe: 'benchmark: folder of the clips' },
    segments: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      describe: 'benchmark: segments per clip, evenly spread (default: 1, from the middle)',
    },
    results: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: "benchmark: measure another system's results, TASK/NAME.mp4 or a folder of frames",
    },
    size: {
      kind: 'size',
      multipleOf: 16,
      describe: "size of the trials, e.g. 128x128 (default: the pipeline's)",
    },
    steps: {
      kind: 'text',
      placeholder: 'N,N',
      describe:
        "sampling steps (default: the pipeline's); several, as 1,2,4,24, compare the fewer with the most",
    },
    guidance: { kind: 'number', min: 0, describe: "guidance scale (default: the pipeline's)" },
    seed: { kind: 'integer', min: 0, default: 0, describe: 'seed of the noise' },
    seeds: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      default: 1,
      describe: 'results per trial, from as many seeds, to measure how diverse they are',
    },
    perceptual: {
      kind: 'text',
      placeholder: 'FILE',
      describe:
        'EfficientNet-Lite0 for distances in its features: a file, a folder, or ORG/NAME from the hub (default: timm/tf_efficientnet_lite0.in1k if `mfm pull` downloaded it)',
    },
    batchSize: { kind: 'integer', min: 1, max: 1024, default: 4, describe: 'trials per batch' },
    output: {
      kind: 'text',
      short: 'o',
      placeholder: 'FOLDER',
      describe: 'folder for the report (default: runs/eval-NAME, with the name of the pipeline)',
    },
    baselines: {
      kind: 'flag',
      default: true,
      describe: 'skip the baselines that need no model; at large sizes they take minutes per clip',
    },
    verbose: { kind: 'flag', default: false, describe: 'show all figures instead of one per task' },
    dtype: dtypeOption,
    device: deviceOption,
  },
});

export type EvalOptions = Options<typeof args>;
