/** Training from code; `mfm train` is made of this. */
import { join } from 'node:path';
import { ALONE, type Parallel } from '../distributed/parallel.js';
import { ownTasksOf, type Task } from '../tasks/index.js';
import { expectTrainable } from './check.js';
import { budgetNotes } from './cost/budget.js';
import { expectRoom } from './cost/expect-room.js';
import type { Datasets } from './feed/index.js';
import { type RecipeInput, stagesOf } from './recipe/config.js';
import { type ResolveOptions, resolveRecipe } from './resolve-recipe.js';
import { Run } from './run/run.js';
import { hasBegunFromWeights } from './run/run-contents.js';
import { eventReporter, heldReporter, type TrainEvent } from './train-event.js';
import { trainParts } from './train-parts.js';
import { Training, type TrainingHooks, type TrainOutcome } from './training.js';

export interface TrainOptions extends Pick<ResolveOptions, 'run' | 'resume' | 'init' | 'changes'> {
  /** tasks of one's own, or the file that declares them, which lets threads make their samples */
  tasks?: readonly Task[] | string | URL;
  /** data sets of one's own, by the names that the recipe's `data` have for them */
  datasets?: Datasets;
  /** is called with every event, whether anybody iterates or not */
  onEvent?: (event: TrainEvent) => void;
  /** stops the training, after it has saved a checkpoint */
  signal?: AbortSignal;
  /** threads that prepare samples; default: one per processor, at most 4 */
  workers?: number;
  /** folder of encoded samples, to share between runs; default: the run's `cache/` */
  cache?: string;
  /** refuses a run that seems to need more memory than there is; default: true */
  checkMemory?: boolean;
  /** the processes of a job, and how many of them share this machine; default: this one alone */
  job?: { parallel: Parallel; local: number };
}

/**
 * Trains a pipeline by a recipe, and writes everything into a run folder.
 *
 * Nothing is written to the terminal, and the process goes on whatever happens. It begins by itself;
 * stopped by the signal, or by leaving the loop, it ends with `finished: false`, and the same call
 * with `resume: true` goes on as if there had been no stop.
 *
 *     for await (const event of train('recipe.yaml')) {
 *       if (event.type === 'metrics') console.log(event.step, event.figures.loss);
 *     }
 *
 * @param recipe   a YAML or JSON file, or the same keys and values as an object
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
  const { parallel, local } = options.job ?? { parallel: ALONE, local: 1 };
  const first = parallel.rank === 0;
  const report = first ? eventReporter(emit) : heldReporter();
  const say = report.log;

  // what cannot be trained is said before anything is written
  const ownTasks = await ownTasksOf(options.tasks);
  const { recipe, folder } = resolveRecipe(given, { ...options, ownTasks: ownTasks.tasks, say });
  for (const stage of stagesOf(recipe)) parallel.split(stage.sequenceParallel); // there are enough
  await parallel.together(() => {
    // one process reads the stored weights, and only where training begins with them
    const weights = first && !(resume && hasBegunFromWeights(folder));
    expectTrainable(recipe, { weights, datasets });
    if (checkMemory) expectRoom(recipe, { ranks: parallel.size, local });
  });

  const open = await Run.openTogether(folder, recipe, { resume, parallel, say, onEvent: emit });
  opened(folder);
  for (const stage of first ? stagesOf(recipe) : []) {
    for (const note of budgetNotes(stage)) say(`${stage.name}: ${note}`);
  }
  const finished = await trainParts({
    run: open,
    recipe,
    report,
    signal,
    cacheFolder,
    workers,
    ownTasks,
    datasets,
  });
  return finished
    ? { finished, run: folder, pipeline: join(folder, 'pipeline') }
    : { finished, run: folder, pipeline: null };
}
