/** `mfm eval`: how good a pipeline is, task by task, beside what needs no model. */
import { InputError } from '../../../errors.js';
import { MOST_RESULTS, MOST_STEPS } from '../../../limits.js';
import { deviceOption, dtypeOption } from '../../options/device.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';

export const summary = 'measure how good a pipeline is, task by task';

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
      describe: 'tasks, with commas (default: all that the pipeline was trained on)',
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

export const examples: readonly Example[] = [
  ['the newest pipeline on 20 held-out scenes a task', 'eval'],
  ['two tasks, thoroughly', 'eval runs/mine/pipeline --tasks t2v,vsr --scenes 100'],
  ['on your own clips', 'eval --manifest clips/manifest.jsonl'],
  ["the paper's comparison", 'eval ORG/MODEL --benchmark mfm --clips clips -o runs/benchmark'],
  [
    "another system's results on the same",
    'eval ORG/MODEL --benchmark mfm --clips clips --results theirs -o runs/theirs',
  ],
];

export async function run(options: EvalOptions): Promise<number | undefined> {
  expectTogether(options);
  if (options.manifest !== undefined || options.clips !== undefined) await adviseFfmpeg();
  const { evaluate } = await import('./job.js');
  return evaluate(options);
}

/** @throws InputError for options that mean nothing together */
function expectTogether({ benchmark, clips, results, segments, manifest }: EvalOptions): void {
  if (benchmark && clips === undefined) {
    throw new InputError('--benchmark mfm: needs the clips; name their folder with --clips FOLDER');
  }
  if (benchmark && manifest !== undefined) {
    throw new InputError('--manifest: is not for --benchmark; name the clips with --clips FOLDER');
  }
  for (const [name, value] of Object.entries({ clips, results, segments })) {
    if (!benchmark && value !== undefined) {
      throw new InputError(`--${name}: belongs to --benchmark mfm; add that or leave it out`);
    }
  }
}
