/** `mfm distil`: teaches a pipeline to sample in few steps. */
import { InputError } from '../../errors.js';
import { defineArgs, type Options } from '../terminal/args.js';
import type { Example } from '../terminal/help.js';
import { runOptions } from './train/run-options.js';

export const summary = 'teach a pipeline to sample in few steps, 4 in place of 24';

export const args = defineArgs({
  positional: {
    pipeline: {
      kind: 'text',
      describe: 'the pipeline to distil: a folder, or ORG/NAME that `mfm pull` downloaded',
    },
  },
  options: {
    output: {
      kind: 'text',
      short: 'o',
      placeholder: 'FOLDER',
      describe: 'folder to write the finished pipeline to (default: pipeline/ in the run folder)',
    },
    data: {
      kind: 'text',
      repeat: true,
      placeholder: 'FILE',
      describe:
        'pictures and clips like those that the pipeline was trained on: a folder, a .jsonl or .csv file, or shards (default for small pipelines: scenes of MiniWorld)',
    },
    steps: {
      kind: 'integer',
      min: 1,
      max: 1000,
      default: 4,
      describe:
        'sampling steps that the result takes by itself; --steps of generate still takes any',
    },
    trainSteps: {
      kind: 'integer',
      min: 1,
      max: 1_000_000_000,
      default: 3000,
      describe: 'training steps',
    },
    learningRate: {
      kind: 'number',
      min: 0,
      max: 1000,
      describe: 'peak learning rate (default: 1e-4 for small pipelines, 5e-5 for others)',
    },
    size: {
      kind: 'size',
      multipleOf: 16,
      describe: "size of the samples (default: the pipeline's)",
    },
    frames: {
      kind: 'integer',
      min: 1,
      describe: "frames of the clips, 4k + 1 (default: the pipeline's)",
    },
    tasks: {
      kind: 'text',
      placeholder: 'T2V,VSR',
      describe:
        'tasks to distil, separated by commas (default: all that the pipeline was trained on)',
    },
    seed: { kind: 'integer', min: 0, default: 0, describe: 'seed of data and noise' },
    ...runOptions,
    run: { ...runOptions.run, describe: 'folder of the run (default: runs/distil-NAME)' },
    set: {
      ...runOptions.set,
      describe:
        'change a key of the recipe that this command makes: distillation.tokensPerBatch=640, distillation.maxSeconds=3600; `mfm train --help` lists them',
    },
  },
});

export const examples: readonly Example[] = [
  ['a small pipeline, with scenes of MiniWorld', 'distil runs/mfm-mini/pipeline -o models/mini-4'],
  [
    'a pipeline of yours, with what it was trained on',
    'distil runs/mine/pipeline --data clips.jsonl',
  ],
  ['what would be trained, and how long it takes', 'distil runs/mfm-mini/pipeline --dry-run'],
  [
    'continue after Ctrl-C, a crash or a reboot',
    'distil runs/mfm-mini/pipeline -o models/mini-4 --resume',
  ],
];

export function details(): string {
  return `
What it does
  A copy of the pipeline's transformer learns where a whole step arrives, however long it is. The pipeline itself
  is the teacher: its own guidance becomes part of the weights, task by task, so the result needs no second pass
  with a negative prompt, and takes 4 passes where 24 guided steps take 48. Any number of steps works, from 1 to 24 and
  more; --guidance above 1 would come on top. Two copies of the transformer are in memory. The run folder can be
  looked at with \`mfm runs\`: "validation/4 steps" tells how far 4 steps are from the teacher's result (0: the same).
`;
}

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { pipeline, output, data, steps, trainSteps, learningRate, size, frames, tasks, seed } =
    options;
  const { distilRecipe } = await import('../../train/distil-recipe.js');
  const { copyPipeline, expectNewFolder } = await import('../../pipeline/merge-lora.js');
  const { runRecipe } = await import('./train/run-recipe.js');
  if (output === '') throw new InputError('mfm distil: --output: must be a folder, got ""');
  if (output !== undefined) expectNewFolder(output);
  const recipe = distilRecipe(pipeline, {
    data,
    trainSteps,
    learningRate,
    size,
    seed,
    numInferenceSteps: steps,
    numFrames: frames,
    tasks: tasks?.split(',').map((id) => id.trim().toLowerCase()),
  });
  const publish = async (made: string) => {
    if (output === undefined) return made;
    await copyPipeline(made, output);
    return output;
  };
  return runRecipe({ command: 'distil', recipe, publish }, { ...options, tasks: undefined });
}
