/** `mfm train`: trains a pipeline by a recipe. */
import type { Reporter } from '../train/loop.js';
import { defineArgs, type Options } from './args.js';
import type { Example } from './help.js';
import { INTERRUPTED, withInterrupt } from './interrupt.js';
import { Progress } from './progress.js';

export const summary = 'train a pipeline by a recipe';

export const args = defineArgs({
  positional: { recipe: { kind: 'text', describe: 'YAML file, e.g. recipes/mfm-mini.yaml' } },
  options: {
    run: { kind: 'text', describe: "folder of the run (default: runs/ and the recipe's name)" },
    init: { kind: 'text', describe: 'start from the weights of a pipeline folder' },
    resume: { kind: 'flag', describe: 'go on with a run that was stopped' },
    dryRun: {
      kind: 'flag',
      describe: 'say what the run would be, and how often each task is drawn; nothing is trained',
    },
    set: { kind: 'set', repeat: true, describe: 'change a key of the recipe' },
  },
});

export const examples: readonly Example[] = [
  ['the small pipeline, from scratch', 'train recipes/mfm-mini.yaml'],
  ['further from a finished pipeline', 'train recipes/mfm-mini.yaml --init models/mfm-mini'],
  ['what it would train, and how often each task', 'train recipes/mfm-mini.yaml --dry-run'],
  ['go on after Ctrl-C', 'train recipes/mfm-mini.yaml --resume'],
];

export async function details(): Promise<string> {
  const [{ Recipe }, { schemaHelp }] = await Promise.all([
    import('../train/config.js'),
    import('./schema-help.js'),
  ]);
  return schemaHelp('Keys of a recipe', Recipe);
}

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { readRecipe } = await import('../train/recipe.js');
  const recipe = readRecipe(options.recipe, options.set);
  const folder = options.run ?? `runs/${recipe.name}`;
  if (options.dryRun) {
    const { dryRun } = await import('./dry-run.js');
    process.stdout.write(await dryRun({ recipe, init: options.init, folder }));
    return undefined;
  }
  const { Run } = await import('../train/run.js');
  const { train } = await import('../train/train.js');
  const run = Run.open(folder, recipe, { resume: options.resume });
  const finished = await withInterrupt('saving a checkpoint', (signal) =>
    train({ run, recipe, init: options.init, report: progressReporter(), signal }),
  );
  if (!finished) {
    const how = `mfm train ${options.recipe} --resume${options.run ? ` --run ${options.run}` : ''}`;
    process.stderr.write(`${folder}: stopped; \`${how}\` goes on\n`);
    return INTERRUPTED;
  }
  process.stdout.write(`${run.path('pipeline')}\n`);
  return undefined;
}

/** Progress lines on stderr. */
export function progressReporter(): Reporter {
  let progress: Progress | null = null;
  return {
    start: (label, total, done) => {
      progress = new Progress({ label, total, start: done });
    },
    update: (done, note) => progress?.update(done, note),
    log: (text) => (progress ? progress.log(text) : process.stderr.write(`${text}\n`)),
    end: () => progress?.end(),
  };
}
