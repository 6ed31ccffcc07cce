/** Training from code; `mfm train` calls it too. */
import { join } from 'node:path';
import { ALONE, type Parallel } from '../distributed/parallel.js';
import { ownTasksOf, type Task } from '../tasks/index.js';
import { expectTrainable } from './check.js';
import { budgetNotes } from './cost/budget.js';
import { expectRoom } from './cost/expect-room.js';
import type { Datasets } from './feed/index.js';
import { DEPTH_FOLDER } from './networks/depth-model.js';
import { type RecipeInput, trainsPipeline } from './recipe/config.js';
import { undoneNote } from './recipe/networks.js';
import { stagesOf } from './recipe/stages.js';
import { type ResolveOptions, resolveRecipe } from './resolve-recipe.js';
import { Run } from './run/run.js';
import { hasBegunFromWeights } from './run/run-contents.js';
import { expectOwnGpus, type LocalPlace, runDevice } from './run-device.js';
import { eventReporter, heldReporter, type TrainEvent } from './train-event.js';
import { trainParts } from './train-parts.js';
import { Training, type TrainingHooks, type TrainOutcome } from './training.js';

export interface TrainOptions extends Pick<ResolveOptions, 'run' | 'resume' | 'init' | 'changes'> {
  /**
   * your own tasks, or the file that declares them; from a file, threads can prepare their samples
   */
  tasks?: readonly Task[] | string | URL;
  /** your own data sets, by the names that the recipe's `data` use */
  datasets?: Datasets;
  /** receives every event, whether or not anyone iterates over the training */
  onEvent?: (event: TrainEvent) => void;
  /** stops the training, which first saves a checkpoint */
  signal?: AbortSignal;
  /** number of threads that prepare samples; default: one per processor, at most 4 */
  workers?: number;
  /** folder of encoded samples, to share between runs; default: the run's `cache/` */
  cache?: string;
  /** refuses a run that seems to need more memory than is available; default: true */
  checkMemory?: boolean;
  /** where networks compute, in place of the recipe's `device`: auto, cpu, cuda, cuda:N or mps */
  device?: string;
  /** the processes of a job, and this one's place on its machine; default: this process alone */
  job?: { parallel: Parallel } & LocalPlace;
}

/**
 * Trains a pipeline by a recipe, and writes everything into a run folder.
 *
 * Training begins at once. Nothing is written to the terminal, and the process is never ended. If the
 * signal aborts, or the loop is left, training stops with `finished: false`, and the same call with
 * `resume: true` continues as if it had not been stopped.
 *
 *     for await (const event of train('recipe.yaml')) {
 *       if (event.type === 'metrics') console.log(event.step, event.figures.loss);
 *     }
 *
 * @param recipe   a YAML or JSON file, or its keys and values as an object
 * @throws InputError for a recipe, a task or data that cannot be used; JobError if training fails
 */
export function train(recipe: string | RecipeInput, options: TrainOptions = {}): Training {
  return new Training((hooks) => run(recipe, options, hooks), options);
}

async function run(
  given: string | RecipeInput,
  options: TrainOptions,
  { signal, emit, opened }: TrainingHooks,
): Promise<TrainOutcome> {
  const { cache: cacheFolder, workers, datasets, resume = false, checkMemory = true } = options;
  const { parallel, ...place } = options.job ?? { parallel: ALONE, localRank: 0, localSize: 1 };
  const first = parallel.rank === 0;
  const report = first ? eventReporter(emit) : heldReporter();
  const say = report.log;

  // everything is checked before anything is written
  const ownTasks = await ownTasksOf(options.tasks);
  const { recipe, folder } = resolveRecipe(given, { ...options, ownTasks: ownTasks.tasks, say });
  const device = runDevice(recipe, options.device, place, say);
  await expectOwnGpus(parallel, device);
  for (const stage of stagesOf(recipe)) parallel.split(stage.sequenceParallel); // throws if there are too few
  await parallel.together(() => {
    // one process reads the stored weights, and only if training begins with them
    const weights = first && !(resume && hasBegunFromWeights(folder));
    expectTrainable(recipe, { weights, datasets });
    if (checkMemory) expectRoom(recipe, { ranks: parallel.size, local: place.localSize, device });
  });

  const open = await Run.openTogether(folder, recipe, { resume, parallel, say, onEvent: emit });
  opened(folder);
  const note = first ? undoneNote(recipe) : null;
  if (note) say(note);
  for (const stage of first ? stagesOf(recipe) : []) {
    for (const note of budgetNotes(stage)) say(`${stage.name}: ${note}`);
  }
  const finished = await trainParts({
    run: open,
    recipe,
    report,
    signal,
    device,
    cacheFolder,
    workers,
    ownTasks,
    datasets,
  });
  return finished
    ? {
        finished,
        run: folder,
        pipeline: join(folder, trainsPipeline(recipe) ? 'pipeline' : DEPTH_FOLDER),
      }
    : { finished, run: folder, pipeline: null };
}
