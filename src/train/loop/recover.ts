/**
 * Checkpoints of a loop: when one is written, and how training rolls back to one when it goes
 * wrong.
 */
import { DistributedError, JobError } from '../../errors.js';
import { globalGradNorm } from '../../optim/index.js';
import { noGrad } from '../../tensor/index.js';
import { expectTensors } from './expect-tensors.js';
import { MOST_ROLL_BACKS } from './guard.js';
import { fromStored, type Loop, type LoopState, nextStage, toStored } from './loop-state.js';
import type { Sums } from './means.js';

/**
 * After a step: writes a checkpoint if one is wanted and the weights are good, or rolls back to one.
 * @throws JobError if the run stops or ends and its last checkpoint cannot be written
 */
export async function saveOrGoBack<Batch>(
  loop: Loop<Batch>,
  { wanted, stopping, skipped }: { wanted: boolean; stopping: boolean; skipped: boolean },
): Promise<void> {
  const { part, run } = loop.options;
  const { rollBackAfter } = loop.config;
  const { badInRow } = loop.state.guard;
  const last = loop.done >= 1;
  // at the end no further step can show whether the samples or the weights were bad
  const mostBad = last ? Math.min(2, rollBackAfter) : rollBackAfter;
  if (badInRow >= mostBad) await goBack(loop, `${badInRow} bad steps in a row`);
  else if ((wanted || last || stopping) && !weightsAreFinite(loop)) {
    await goBack(loop, 'non-finite weights');
  } else if (wanted && !skipped) await save(loop); // the weights of a bad step are not saved

  if (!stopping && loop.done < 1) return;
  if (!loop.saved) await save(loop);
  if (loop.saved) return;
  const how = stopping ? 'stopped' : 'ended';
  throw new JobError(`${run.folder}: ${part} has ${how} without a checkpoint`);
}

/** Gives the same answer in all processes, as their parameters are the same. */
function weightsAreFinite<Batch>({ options }: Loop<Batch>): boolean {
  return Number.isFinite(globalGradNorm([...options.parameters.values()]));
}

/** Writes a checkpoint if there is room for it; `loop.saved` says whether it was written. */
export async function save<Batch>(loop: Loop<Batch>): Promise<void> {
  const { checkpoints, ema, optimizer, state, config } = loop;
  const { part, parameters, run } = loop.options;
  const guard = { ...state.guard, rollBacks: 0 };
  const sums = await run.parallel.share(loop.means.sums());
  const { keepCheckpoints: last, milestoneEverySteps } = config;
  try {
    const folder = await checkpoints.save(
      {
        shared: { weights: Object.fromEntries(parameters) },
        own: { optimizer: optimizer.stateDict(), ema: ema.stateDict() },
        state: toStored({ ...state, guard }, sums, loop.device),
      },
      { last, milestoneEverySteps },
    );
    loop.saved = true;
    loop.savedStep = state.step;
    loop.cannotSave = false;
    state.guard = guard;
    run.emit({ type: 'checkpoint', part, step: state.step, folder });
  } catch (error) {
    if (!(error instanceof JobError) || error instanceof DistributedError) throw error;
    loop.saved = false;
    if (!loop.cannotSave) {
      loop.say(`${error.message}; if training stops now, it resumes from the checkpoint before`);
    }
    loop.cannotSave = true;
  }
  loop.savedMs = performance.now();
}

/**
 * Restores weights, averages and the optimizer's state from the newest checkpoint.
 * @returns the loop's state in it; null if there is no checkpoint
 */
export async function restore<Batch>(
  { optimizer, ema, options, checkpoints }: Loop<Batch>,
  beforeStep = Infinity,
): Promise<{ state: LoopState; sums: Sums[]; device: string } | null> {
  const found = await checkpoints.load(
    ({ weights, optimizer: moments, ema: averages }, folder) => {
      expectTensors(weights, options.parameters, folder);
      noGrad(() => {
        for (const [name, parameter] of options.parameters) parameter.copy_(weights![name]!);
      });
      optimizer.loadStateDict(moments!);
      ema.loadStateDict(averages!);
    },
    { say: options.report.log, beforeStep },
  );
  return found && fromStored(found);
}

/**
 * Rolls back to the last good checkpoint, lowers the learning rate, and goes on with the next
 * batches. If a rollback to that checkpoint has not helped, it goes to the one before.
 *
 * @throws JobError if the run has rolled back too often, or there is no checkpoint
 */
async function goBack<Batch>(loop: Loop<Batch>, reason: string): Promise<void> {
  const { config, options } = loop;
  const { part, run } = options;
  const { position, stage, guard } = loop.state;
  const { rollBacks } = guard;
  const found =
    rollBacks < MOST_ROLL_BACKS
      ? ((await restore(loop, loop.suspectFrom)) ?? (await restore(loop)))
      : null;
  if (!found) {
    throw new JobError(
      `${run.folder}: gradients stay bad after ${rollBacks} rollbacks; look at ${run.path('bad-batches')}, lower ${part}.learningRate and resume with \`resume: true\``,
    );
  }
  loop.suspectFrom = found.state.step;
  const learningRateFactor = guard.learningRateFactor * config.rollBackLearningRate;
  // the last good checkpoint may be the end of the previous stage
  const before = found.state.stage < stage ? nextStage(found.state) : found.state;
  loop.state = {
    ...before,
    position,
    pendingEvaluations: [],
    guard: { ...before.guard, learningRateFactor, rollBacks: rollBacks + 1 },
  };
  loop.say(
    `${part}: ${reason}; back to step ${loop.state.step} with ${learningRateFactor} of the learning rate`,
  );
  run.beginPart(part, loop.state.step + 1);
}
