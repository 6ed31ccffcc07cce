/** `mfm train`: trains a pipeline from a recipe. */
import type { WorldEnvironment } from '../../../distributed/environment.js';
import type { Parallel } from '../../../distributed/parallel.js';
import type { SequenceGroup as Sequence } from '../../../distributed/sequence.js';
import { InputError } from '../../../errors.js';
import type { TrainEvent, TrainOutcome } from '../../../train/index.js';
import type { Recipe } from '../../../train/recipe/config.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import { withOptions } from '../../terminal/fields.js';
import type { Example } from '../../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { progressReporter } from '../../terminal/report-progress.js';
import { shellWord } from '../../terminal/shell-word.js';

export const summary = 'train a pipeline from a recipe';

export const args = defineArgs({
  positional: { recipe: { kind: 'text', describe: 'YAML file, e.g. recipes/mfm-mini.yaml' } },
  options: {
    run: {
      kind: 'text',
      describe: "folder of the run (default: runs/NAME, with the recipe's name)",
    },
    init: { kind: 'text', describe: 'start from the weights of a pipeline folder' },
    resume: { kind: 'flag', describe: 'continue a run that was stopped' },
    tasks: {
      kind: 'text',
      placeholder: 'FILE',
      describe:
        'module that declares your own tasks, which the recipe may then name (docs/tasks.md)',
    },
    dryRun: {
      kind: 'flag',
      describe: 'describe the run, its cost and how often each task is drawn, without training',
    },
    nproc: {
      kind: 'integer',
      default: 1,
      min: 1,
      max: 4096,
      describe:
        'processes on this machine; for several machines use torchrun, mpirun, srun or Kubernetes',
    },
    workers: { kind: 'integer', min: 1, max: 256, describe: 'threads that prepare samples' },
    cache: {
      kind: 'text',
      describe: "folder for encoded samples, which runs can share (default: the run's cache/)",
    },
    timeout: {
      kind: 'number',
      min: 0.1,
      max: 1e6,
      default: 600,
      describe: 'seconds that processes wait for one another before they give up',
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
      describe: 'start even if there seems to be too little memory',
    },
    set: {
      kind: 'set',
      repeat: true,
      describe:
        'change a key of the recipe; the value is YAML: transformer.steps=9, "transformer.tasks={t2i: 1}"; null removes the key',
    },
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

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  if (options.run === '') throw new InputError('mfm train: --run: must be a folder, got ""');
  const { loadTasks, NO_OWN_TASKS } = await import('../../../tasks/index.js');
  const { resolveRecipe } = await import('../../../train/resolve-recipe.js');
  const { stagesOf } = await import('../../../train/recipe/config.js');
  const own = options.tasks === undefined ? NO_OWN_TASKS : await loadTasks(options.tasks);
  const notes: string[] = [];
  const { recipe, folder } = resolveRecipe(options.recipe, {
    run: options.run,
    init: options.init,
    resume: options.resume,
    changes: options.set,
    ownTasks: own.tasks,
    say: (note) => notes.push(note),
  });
  const sayNotes = () => {
    for (const note of notes) process.stderr.write(`${options.recipe}: ${withOptions(note)}\n`);
  };
  if (options.dryRun) {
    sayNotes();
    const { expectTrainable } = await import('../../../train/check.js');
    expectTrainable(recipe, { dryRun: true });
    const { dryRun } = await import('./dry-run.js');
    const { stageDataOf } = await import('./dry-run-data.js');
    const ownTasks = own.tasks;
    const dataOf = await stageDataOf(recipe, undefined, ownTasks);
    const processes = options.nproc;
    process.stdout.write(dryRun({ recipe, ownTasks, folder, processes, dataOf }));
    return undefined;
  }
  const { worldEnvironment } = await import('../../../distributed/environment.js');
  const world = worldEnvironment();
  if (!world && options.nproc > 1) {
    const { launchProcesses } = await import('../../../distributed/launch.js');
    return launchProcesses(options.nproc);
  }
  if (!world || world.rank === 0) sayNotes();
  const { train } = await import('../../../train/index.js');
  const { parallel, leave } = await joinJob(world, recipe, options);
  const first = parallel.rank === 0;
  const readsFiles = stagesOf(recipe).some(({ data }) => data.some(({ manifest }) => manifest));
  if (first && readsFiles) await adviseFfmpeg();
  const stop = new AbortController();
  const training = train(recipe, {
    run: folder,
    resume: options.resume,
    tasks: options.tasks,
    cache: options.cache,
    workers: options.workers,
    checkMemory: options.checkMemory,
    job: { parallel, local: world?.localWorldSize ?? 1 },
    signal: stop.signal,
    onEvent: eventPrinter(),
  });
  // until there is a run to save, Ctrl-C ends the program at once
  await Promise.race([training.opened, training]);
  const outcome = await withInterrupt('saving a checkpoint', (signal) => {
    signal.addEventListener('abort', () => stop.abort(signal.reason));
    return training as PromiseLike<TrainOutcome> as Promise<TrainOutcome>;
  });
  await leave();
  if (outcome.finished && first) process.stdout.write(`${outcome.pipeline}\n`);
  if (outcome.finished) return undefined;
  if (first) {
    process.stderr.write(
      `${folder}: stopped; continue with \`${resumingCommand(options.resume)}\`\n`,
    );
  }
  return INTERRUPTED;
}

/** Shows the training's progress and notes on stderr. */
function eventPrinter(): (event: TrainEvent) => void {
  const reporter = progressReporter();
  return (event) => {
    if (event.type === 'phase') reporter.start(event.label, event.total, event.unit);
    if (event.type === 'progress') reporter.update(event.done, event.note, event.limit);
    if (event.type === 'phaseEnd') reporter.end();
    if (event.type === 'note') reporter.log(event.text);
  };
}

/** This process's command as it was typed, with `--resume` added. */
function resumingCommand(resumes = false): string {
  const words = process.argv.slice(2);
  const end = words.indexOf('--');
  if (!resumes) words.splice(end < 0 ? words.length : end, 0, '--resume');
  return ['mfm', ...words.map(shellWord)].join(' ');
}

/** Joins the other processes of the job, if there are several. */
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
    // only one process per machine prints notes
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
