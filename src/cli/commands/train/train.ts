/** `mfm train`: trains a pipeline from a recipe. */
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';
import { runOptions } from './run-options.js';

export const summary = 'train a pipeline from a recipe';

export const args = defineArgs({
  positional: { recipe: { kind: 'text', describe: 'YAML file, e.g. recipes/mfm-mini.yaml' } },
  options: {
    run: runOptions.run,
    device: runOptions.device,
    init: { kind: 'text', describe: 'start from the weights of a pipeline folder' },
    resume: runOptions.resume,
    tasks: {
      kind: 'text',
      placeholder: 'FILE',
      describe:
        'module that declares your own tasks, which the recipe may then name (docs/tasks.md)',
    },
    dryRun: runOptions.dryRun,
    nproc: runOptions.nproc,
    workers: runOptions.workers,
    cache: runOptions.cache,
    timeout: runOptions.timeout,
    hang: runOptions.hang,
    checkMemory: runOptions.checkMemory,
    set: runOptions.set,
  },
});

export const examples: readonly Example[] = [
  ['the small pipeline, from scratch', 'train recipes/mfm-mini.yaml'],
  ['continue training a finished pipeline', 'train recipes/mfm-mini.yaml --init models/mfm-mini'],
  [
    'what would be trained, and how often each task is drawn',
    'train recipes/mfm-mini.yaml --dry-run',
  ],
  ['continue after Ctrl-C, a crash or a reboot', 'train recipes/mfm-mini.yaml --resume'],
  [
    'fine-tune a pipeline with LoRA on your own clips',
    'train recipes/finetune.yaml --set base=models/mfm-mini',
  ],
  ['two processes on this machine', 'train recipes/mfm-mini.yaml --nproc 2'],
  [
    'a depth model, with your own photos on the scenes that it learns from',
    'train recipes/mfm-depth.yaml --set depthModel.photos=photos',
  ],
];

export async function details(): Promise<string> {
  const [{ Recipe }, { schemaHelp }] = await Promise.all([
    import('../../../train/recipe/config.js'),
    import('./schema-help.js'),
  ]);
  return schemaHelp('Keys of a recipe', Recipe);
}

export async function run({
  recipe,
  ...options
}: Options<typeof args>): Promise<number | undefined> {
  const { runRecipe } = await import('./run-recipe.js');
  return runRecipe({ command: 'train', recipe }, options);
}
