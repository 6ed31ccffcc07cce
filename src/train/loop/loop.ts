/**
 * The training loop. Its caller chooses what is trained, on which data and for which loss; the loop
 * makes training survive: checkpoints, exact resume, skipped steps, and rollback when it goes wrong.
 *
 *     loop-state.ts    how far a run is          schedule.ts      learning rate, averaging, seeds
 *     recover.ts       checkpoints               evaluations.ts   validation and samples
 *     guard.ts         which steps are bad       means.ts         means over steps, for logs
 *     ahead.ts         the next step's batch
 */
import { setImmediate } from 'node:timers/promises';
import { JobError } from '../../errors.js';
import { isOutOfMemory, manualSeed, tidy } from '../../tensor/index.js';
import { dropUpcoming, takeAhead, takeBatch } from './ahead.js';
import { dumpBatch } from './bad-batches.js';
import { evaluatePending, evaluationsDue, takeAverages } from './evaluations.js';
import { afterStep, normLimit } from './guard.js';
import type { LoopOptions } from './loop-options.js';
import { Loop, nextStage } from './loop-state.js';
import { formatFigures, Means } from './means.js';
import { restore, save, saveOrGoBack } from './recover.js';
import { averagingDecay, learningRateAt, stepSeed } from './schedule.js';
import type { Sent, Source } from './source.js';

export type { LoopOptions, StepContext } from './loop-options.js';

/**
 * Trains all stages, from the newest checkpoint if there is one. At the end the parameters hold the
 * averaged weights.
 *
 * @returns false if the signal stopped it: a checkpoint is written, and the same call resumes it
 * @throws JobError if gradients stay bad, or the last checkpoint cannot be written
 */
export async function trainLoop<Batch, OwnSent extends Sent = Sent>(
  options: LoopOptions<Batch, OwnSent>,
): Promise<boolean> {
  const loop = new Loop<Batch>(options);
  try {
    return await trainOn(loop);
  } finally {
    loop.dispose();
  }
}

async function trainOn<Batch>(loop: Loop<Batch>): Promise<boolean> {
  const { part, run } = loop.options;
  const found = await restore(loop);
  if (found) {
    loop.isNew = false;
    loop.state = found.state;
    loop.savedStep = found.state.step;
    loop.means = new Means(found.sums, run.parallel);
    const [before, now] = [kindOf(found.device), kindOf(loop.device)];
    if (before !== now) {
      loop.say(`${part}: goes on on ${loop.device}, after ${found.state.step} steps on ${before}`);
    }
  }
  run.beginPart(part, found ? found.state.step + 1 : 0);

  const finished = await trainStages(loop);
  if (finished) await takeAverages(loop);
  return finished;
}

/** @returns false if the signal stopped it */
async function trainStages<Batch>(loop: Loop<Batch>): Promise<boolean> {
  const { stages } = loop.options;
  for (; loop.state.stage < stages.length; loop.state = nextStage(loop.state)) {
    if (!(await trainStage(loop))) return false;
  }
  return true;
}

/** @returns false if the signal stopped it */
async function trainStage<Batch>(loop: Loop<Batch>): Promise<boolean> {
  // evaluations that a stop or a kill interrupted
  if (!(await evaluatePending(loop))) return false;
  if (loop.done >= 1) return true;

  const { options, config, state } = loop;
  const { part, run, report } = options;
  const name = config.name ?? '';
  const doneAt = (taken: number) => Math.min(1, loop.doneAt(taken));
  const memory = () => loop.state.memory;
  const source = await options.open(state.stage, state.position, doneAt, memory);
  try {
    run.keepRecipe();
    report.start(name === '' || name === 'all' ? part : `${part} ${name}`, expectedSteps(loop));
    run.setStatus({ part, stage: name, step: state.step, steps: loop.totalSteps });
    if (state.step === 0) {
      // pending in the checkpoint, so that a run that ends before the validation catches up on resume
      if (loop.isNew && options.validatesFirst && options.validate)
        state.pendingEvaluations = ['validate'];
      await save(loop);
      if (!loop.saved)
        throw new JobError(`${run.folder}: ${part} cannot write its first checkpoint`);
      if (!(await evaluatePending(loop))) return false;
    }
    loop.savedMs = performance.now();
    while (loop.done < 1) {
      if (!(await step(loop, source)) || !(await evaluatePending(loop))) return false;
    }
    return true;
  } catch (error) {
    throw isOutOfMemory(error) ? outOfMemory(loop, error as Error) : error;
  } finally {
    report.end();
    await dropUpcoming(loop);
    await source.close();
  }
}

/** @returns false if the signal stopped the run after it */
async function step<Batch>(loop: Loop<Batch>, source: Source<Batch>): Promise<boolean> {
  const { options, optimizer, config } = loop;
  const { part, run, seed, report, signal } = options;
  const { parallel } = run;

  // --------------------------------------------------------------------------------------------
  // the batch, which the feed has prepared ahead
  parallel.takeCost(); // discards communication that was not part of a step
  const startMs = performance.now();
  const { batch, position, sent } = await takeBatch(loop, source);
  const waitedSeconds = secondsSince(startMs);

  // --------------------------------------------------------------------------------------------
  // forward and backward
  manualSeed(stepSeed(seed, loop.state.step));
  const outcome = tidy(() => {
    const taken = options.train(batch, {
      step: loop.state.step,
      stage: loop.state.stage,
      backward: (loss, last) => optimizer.backward(loss, last),
      sent,
    });
    taken.measured?.values.keep();
    return taken;
  });
  sent?.dispose();
  await takeAhead(loop, source); // while the device computes

  // --------------------------------------------------------------------------------------------
  // the optimizer's step, unless the gradient is bad
  const learningRate = learningRateAt(loop.done, loop.state, config);
  const { gradNorm, skipped } = await optimizer.step({
    learningRate,
    clipGradNorm: config.clipGradNorm,
    skipAbove: normLimit(loop.state.guard, config),
  });
  optimizer.zeroGrad();
  const guard = afterStep(loop.state.guard, { gradNorm, skipped });
  const stepsDone = loop.state.step + 1;
  const stageStep = loop.state.stageStep + 1;
  loop.state = { ...loop.state, step: stepsDone, stageStep, position, guard };
  loop.saved = false;

  // --------------------------------------------------------------------------------------------
  // averages of the weights
  const decay = skipped ? null : averagingDecay(stepsDone, config.emaDecay);
  if (decay !== null) loop.ema.update(optimizer.masterWeights(), decay);
  await setImmediate(); // finalizers and signals run here

  // --------------------------------------------------------------------------------------------
  // what the step took; with a time limit all processes must agree on the time
  const [seconds] = config.maxSeconds
    ? ((await parallel.share(secondsSince(startMs))) as [number])
    : [secondsSince(startMs)];
  loop.state.stageSeconds += seconds;
  loop.state.seconds += seconds;
  loop.state.samples += outcome.count ?? outcome.samples;
  const communication = parallel.takeCost();
  loop.means.add(outcome, { seconds, waitedSeconds, communication, skipped, gradNorm });

  // --------------------------------------------------------------------------------------------
  // progress and metrics
  const late = secondsSince(loop.savedMs) > config.checkpointEverySeconds;
  const [stopping, due] = (await parallel.any(signal.aborted, late)) as [boolean, boolean];
  report.update(stepsDone, formatFigures(loop.means.shown(options.peakFlops)), timeLimit(loop));
  if (stepsDone % config.logEverySteps === 0 || loop.done >= 1) await log(loop, learningRate);
  else if (stopping) run.setStatus({ step: stepsDone });
  if (skipped) {
    dumpBatch(options, batch, { part, step: stepsDone, gradNorm, usual: Math.exp(guard.logNorm) });
  } else loop.suspectFrom = Infinity;

  // --------------------------------------------------------------------------------------------
  // a checkpoint, or a rollback to one
  loop.state.pendingEvaluations = evaluationsDue(loop);
  const { milestoneEverySteps } = config;
  const milestone = milestoneEverySteps !== undefined && stepsDone % milestoneEverySteps === 0;
  await saveOrGoBack(loop, { wanted: due || milestone, stopping, skipped });
  return !stopping;
}

/** What to do where memory has not sufficed; the last checkpoint is there. */
function outOfMemory<Batch>({ options, state, device, savedStep }: Loop<Batch>, cause: Error) {
  const { part, lessMemory = () => 'lower its batchSize' } = options;
  return new JobError(
    `${part}: ${device} ran out of memory in step ${state.step + 1}; ${lessMemory(state.stage)}, and go on from step ${savedStep} with \`resume: true\``,
    { cause },
  );
}

/** Writes a line of metrics, and reports what other processes have logged. */
async function log<Batch>(loop: Loop<Batch>, learningRate: number): Promise<void> {
  const { part, run, report, peakFlops } = loop.options;
  const { step, seconds, samples } = loop.state;
  const sums = loop.means.sums();
  const { steps, skipped } = sums.totals;
  const all = await run.parallel.share({ sums, said: report.take?.() ?? [] });
  all.forEach(({ said }, rank) => {
    for (const text of said) loop.say(`rank ${rank}: ${text}`);
  });
  const figures = loop.means.take(
    all.map((one) => one.sums),
    peakFlops,
  );
  // after a rollback, a line without a good step must not replace lines up to the newest checkpoint,
  // from which the run may still resume
  if (skipped < steps || step > loop.savedStep) {
    run.log(part, step, { ...figures, learningRate, seconds, samples });
  }
  run.setStatus({ step });
}

/**
 * The number of steps over all stages, of which earlier ones may have ended early by their time
 * limit.
 */
function expectedSteps<Batch>({ state, options }: Loop<Batch>): number {
  const left = options.stages.slice(state.stage).reduce((sum, { steps }) => sum + steps, 0);
  return state.step - state.stageStep + left;
}

function timeLimit<Batch>({ config, done }: Loop<Batch>) {
  const { maxSeconds } = config;
  return maxSeconds === undefined ? undefined : { seconds: maxSeconds, share: Math.min(1, done) };
}

/** `cuda:1` and `cuda:0` compute the same. */
const kindOf = (device: string): string => device.replace(/:\d+$/, '');

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1000;
