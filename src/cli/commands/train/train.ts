/** `mfm train`: trains a pipeline by a recipe. */
import type { WorldEnvironment } from '../../../distributed/environment.js';
import type { Parallel } from '../../../distributed/parallel.js';
import type { SequenceGroup as Sequence } from '../../../distributed/sequence.js';
import { InputError } from '../../../errors.js';
import type { Reporter } from '../../../train/loop/reporter.js';
import type { Recipe } from '../../../train/recipe/config.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { progressReporter } from '../../terminal/report-progress.js';
import { shellWord } from '../../terminal/shell-word.js';

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
    nproc: {
      kind: 'integer',
      default: 1,
      min: 1,
      max: 4096,
      describe: 'processes on this machine; torchrun, mpirun, srun or Kubernetes start more',
    },
    workers: { kind: 'integer', min: 1, max: 256, describe: 'threads that prepare samples' },
    cache: {
      kind: 'text',
      describe: "folder of encoded samples, to share between runs (default: the run's cache/)",
    },
    timeout: {
      kind: 'number',
      min: 0.1,
      max: 1e6,
      default: 600,
      describe: 'seconds that processes wait for one another',
    },
    hang: {
      kind: 'number',
      min: 0.1,
      max: 1e6,
      default: 30,
      describe: 'seconds without a sign of life after which a process counts as hung',
    },
    checkMemory: {
      kind: 'flag',
      default: true,
      describe: 'begin even if there seems to be too little memory',
    },
    set: {
      kind: 'set',
      repeat: true,
      describe:
        'change a key of the recipe; the value is YAML: transformer.steps=9, "transformer.tasks={t2i: 1}"; null takes the key away',
    },
  },
});

export const examples: readonly Example[] = [
  ['the small pipeline, from scratch', 'train recipes/mfm-mini.yaml'],
  ['further from a finished pipeline', 'train recipes/mfm-mini.yaml --init models/mfm-mini'],
  ['what it would train, and how often each task', 'train recipes/mfm-mini.yaml --dry-run'],
  ['go on after Ctrl-C, a crash, a reboot', 'train recipes/mfm-mini.yaml --resume'],
  ['your own clips, beside the weights', 'train recipes/finetune.yaml --set base=models/mfm-mini'],
  ['two processes on this machine', 'train recipes/mfm-mini.yaml --nproc 2'],
];

export async function details(): Promise<string> {
  const [{ Recipe }, { schemaHelp }] = await Promise.all([
    import('../../../train/recipe/config.js'),
    import('./schema-help.js'),
  ]);
  return schemaHelp('Keys of a recipe', Recipe);
}

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { readRecipe } = await import('../../../train/recipe/read-recipe.js');
  const { initOf } = await import('../../../train/run/stored-recipe.js');
  const notes: string[] = [];
  let recipe = readRecipe(options.recipe, options.set, (note) => notes.push(note));
  const folder = options.run ?? `runs/${recipe.name}`;
  if (folder === '') throw new InputError('mfm train: --run: must be a folder, got ""');
  // a run that goes on keeps the weights that it began with
  const init = options.init ?? recipe.init ?? (options.resume ? initOf(folder) : undefined);
  if (init !== undefined) {
    recipe = readRecipe(options.recipe, [...options.set, { path: ['init'], value: init }]);
  }
  const sayNotes = () => {
    for (const note of notes) process.stderr.write(`${options.recipe}: ${note}\n`);
  };
  if (options.dryRun) {
    sayNotes();
    const { expectTrainable } = await import('../../../train/check.js');
    expectTrainable(recipe, { dryRun: true });
    const { dryRun } = await import('./dry-run.js');
    const { stageDataOf } = await import('./dry-run-data.js');
    const dataOf = await stageDataOf(recipe);
    process.stdout.write(dryRun({ recipe, folder, processes: options.nproc, dataOf }));
    return undefined;
  }
  const { worldEnvironment } = await import('../../../distributed/environment.js');
  const world = worldEnvironment();
  if (!world && options.nproc > 1) {
    const { launchProcesses } = await import('../../../distributed/launch.js');
    return launchProcesses(options.nproc);
  }
  if (!world || world.rank === 0) sayNotes();
  const { Run } = await import('../../../train/run/run.js');
  const { stagesOf } = await import('../../../train/recipe/config.js');
  const { train } = await import('../../../train/train.js');
  const { expectTrainable } = await import('../../../train/check.js');
  const { parallel, leave } = await joinJob(world, recipe, options);
  for (const stage of stagesOf(recipe)) parallel.split(stage.sequenceParallel); // there are enough
  const first = parallel.rank === 0;
  const readsFiles = stagesOf(recipe).some(({ data }) => data.some(({ manifest }) => manifest));
  if (first && readsFiles) await adviseFfmpeg();
  const { expectRoom } = await import('./expect-room.js');
  const { hasBegunFromWeights } = await import('../../../train/run/run-contents.js');
  // one process reads the stored weights, and only where training begins with them
  await parallel.together(() => {
    expectTrainable(recipe, { weights: first && !(options.resume && hasBegunFromWeights(folder)) });
    const local = world?.localWorldSize ?? 1;
    if (options.checkMemory) expectRoom(recipe, { ranks: parallel.size, local });
  });
  const run = await Run.openTogether(folder, recipe, { resume: options.resume, parallel });
  if (first) await tellBudgets(recipe);
  const finished = await withInterrupt('saving a checkpoint', (signal) =>
    train({
      run,
      recipe,
      signal,
      cacheFolder: options.cache,
      workers: options.workers,
      report: first ? progressReporter() : heldReporter(),
    }),
  );
  await leave();
  if (finished && first) process.stdout.write(`${run.path('pipeline')}\n`);
  if (finished) return undefined;
  if (first) {
    process.stderr.write(`${folder}: stopped; \`${resumingCommand(options.resume)}\` goes on\n`);
  }
  return INTERRUPTED;
}

/** Says which budgets of tokens are less than one sample. */
async function tellBudgets(recipe: Recipe): Promise<void> {
  const { budgetNotes } = await import('../../../train/cost/budget.js');
  const { stagesOf } = await import('../../../train/recipe/config.js');
  for (const stage of stagesOf(recipe)) {
    for (const note of budgetNotes(stage)) process.stderr.write(`${stage.name}: ${note}\n`);
  }
}

/** This process's command as it was typed, and with `--resume`. */
function resumingCommand(resumes = false): string {
  const words = process.argv.slice(2);
  const end = words.indexOf('--');
  if (!resumes) words.splice(end < 0 ? words.length : end, 0, '--resume');
  return ['mfm', ...words.map(shellWord)].join(' ');
}

/** The processes of the job, if it has several. */
async function joinJob(
  world: WorldEnvironment | null,
  recipe: Recipe,
  { timeout, hang }: Options<typeof args>,
): Promise<{ parallel: Parallel; leave: () => Promise<void> }> {
  if (!world || world.worldSize === 1) {
    const { ALONE } = await import('../../../distributed/parallel.js');
    return { parallel: ALONE, leave: async () => {} };
  }
  const { joinWorld } = await import('../../../distributed/join.js');
  const { dataParallel } = await import('../../../distributed/data-parallel.js');
  const { SequenceGroup } = await import('../../../distributed/sequence.js');
  const { stagesOf } = await import('../../../train/recipe/config.js');
  const group = await joinWorld(world, {
    timeoutSeconds: timeout,
    hangSeconds: hang,
    // one process of each machine speaks
    say: world.localRank === 0 ? (text) => process.stderr.write(`${text}\n`) : undefined,
  });
  const degrees = new Set(stagesOf(recipe).map((stage) => stage.sequenceParallel));
  const sequences: Sequence[] = [];
  for (const degree of degrees) {
    if (degree > 1) sequences.push(await SequenceGroup.create(group, degree));
  }
  const leave = async () => {
    for (const sequence of sequences) await sequence.close();
    await group.close();
  };
  return { parallel: dataParallel(group, { sharding: recipe.sharding, sequences }), leave };
}

/** The first process of a job speaks for all: what this one says waits until it is asked for it. */
function heldReporter(): Reporter {
  const said: string[] = [];
  return {
    start: () => {},
    update: () => {},
    end: () => {},
    log: (text) => said.push(text),
    take: () => said.splice(0),
  };
}
