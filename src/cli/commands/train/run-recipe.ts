/** Runs a recipe from the command line: its dry run, its processes, its progress, and Ctrl-C. */
import type { WorldEnvironment } from '../../../distributed/environment.js';
import type { Parallel } from '../../../distributed/parallel.js';
import type { SequenceGroup as Sequence } from '../../../distributed/sequence.js';
import { InputError } from '../../../errors.js';
import { PROGRAM } from '../../../files/package-root.js';
import type { TrainEvent, TrainOutcome } from '../../../train/index.js';
import type { Recipe, RecipeInput } from '../../../train/recipe/config.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import type { Options } from '../../terminal/args.js';
import { withOptions } from '../../terminal/fields.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { progressReporter } from '../../terminal/report-progress.js';
import { shellWord } from '../../terminal/shell-word.js';
import type { runOptions } from './run-options.js';

/** The options of a run, without what is trained. */
export type RunOptions = Options<{ options: typeof runOptions }> & {
  /** see `TrainOptions` */
  init?: string;
  tasks?: string;
};

/** What is trained, for which command, and what happens to its result. */
export interface RunWork {
  command: string;
  /** a recipe's file, or its keys and values */
  recipe: string | RecipeInput;
  /** called with the finished pipeline; returns the folder to print */
  publish?(pipeline: string): string | Promise<string>;
}

/** @returns the exit code if it is not 0 */
export async function runRecipe(
  { command, recipe: given, publish = (pipeline) => pipeline }: RunWork,
  options: RunOptions,
): Promise<number | undefined> {
  if (options.run === '') throw new InputError(`mfm ${command}: --run: must be a folder, got ""`);
  const { loadTasks, NO_OWN_TASKS } = await import('../../../tasks/index.js');
  const { resolveRecipe } = await import('../../../train/resolve-recipe.js');
  const { stagesOf } = await import('../../../train/recipe/stages.js');
  const own = options.tasks === undefined ? NO_OWN_TASKS : await loadTasks(options.tasks);
  const notes: string[] = [];
  const { recipe, folder } = resolveRecipe(given, {
    run: options.run,
    init: options.init,
    resume: options.resume,
    changes: options.set,
    ownTasks: own.tasks,
    say: (note) => notes.push(note),
  });
  const label = typeof given === 'string' ? given : recipe.name;
  const sayNotes = () => {
    for (const note of notes) process.stderr.write(`${label}: ${withOptions(note)}\n`);
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
    const { runDevice } = await import('../../../train/run-device.js');
    const place = { localRank: 0, localSize: processes };
    const device = runDevice(recipe, options.device, place);
    process.stdout.write(dryRun({ recipe, ownTasks, folder, processes, dataOf, device }));
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
  const { runDevice } = await import('../../../train/run-device.js');
  const place = { localRank: world?.localRank ?? 0, localSize: world?.localWorldSize ?? 1 };
  const device = runDevice(recipe, options.device, place);
  const { parallel, leave } = await joinJob(world, recipe, { ...options, device });
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
    device: options.device,
    job: { parallel, ...place },
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
  if (outcome.finished && first) process.stdout.write(`${await publish(outcome.pipeline)}\n`);
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
  return [PROGRAM, ...words.map(shellWord)].join(' ');
}

/** Joins the other processes of the job, if there are several. */
async function joinJob(
  world: WorldEnvironment | null,
  recipe: Recipe,
  { timeout, hang, device }: RunOptions & { device: string },
): Promise<{ parallel: Parallel; leave: () => Promise<void> }> {
  if (!world || world.worldSize === 1) {
    const { ALONE } = await import('../../../distributed/parallel.js');
    return { parallel: ALONE, leave: async () => {} };
  }
  const { joinWorld } = await import('../../../distributed/join.js');
  const { dataParallel } = await import('../../../distributed/data-parallel.js');
  const { SequenceGroup } = await import('../../../distributed/sequence.js');
  const { stagesOf } = await import('../../../train/recipe/stages.js');
  const group = await joinWorld(world, {
    timeoutSeconds: timeout,
    hangSeconds: hang,
    device: device.startsWith('cuda') ? 'cuda' : 'cpu',
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
