/**
 * The training loop. What is trained, on what, and for which loss, its caller says; this makes it
 * survive: exact resume, checkpoints, steps that are left out, and a way back when it goes wrong.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Parallel } from '../distributed/parallel.js';
import { JobError } from '../errors.js';
import { Ema, schedules } from '../optim/index.js';
import { emptyCache, manualSeed, noGrad, type Tensor, tidy } from '../tensor/index.js';
import type { Checkpoint } from './checkpoints.js';
import type { Optimisation } from './config.js';
import { afterStep, freshGuard, type GuardState, MOST_ROLL_BACKS, normLimit } from './guard.js';
import { Means } from './means.js';
import { isDiskProblem, type Run } from './run.js';

/** Where a loop says how it goes; the command line shows it. */
export interface Reporter {
  start(part: string, total: number, done: number): void;
  update(done: number, note: string): void;
  log(text: string): void;
  end(): void;
}

/** Batches in their order. */
export interface Source<Batch> {
  /** the next one, and where the source stands after it (plain JSON) */
  next(): Promise<{ batch: Batch; position: unknown }>;
  close(): Promise<void>;
}

/** What a step came to, in this process. */
export interface StepOutcome {
  samples: number;
  /** of all processes; default: as many */
  count?: number;
  tokens?: number;
  /** multiply-adds times two, forward and backward */
  flops?: number;
  /** sums over samples, and how many; by the figure's name */
  figures: Record<string, { sum: number; count: number }>;
}

export interface StepContext {
  /** optimizer steps done before this one, over all stages */
  step: number;
  stage: number;
  /** see `ParallelOptimizer` */
  backward(loss: Tensor | null, last: boolean): void;
}

export interface LoopOptions<Batch> {
  part: string;
  run: Run;
  stages: readonly (Optimisation & { name?: string })[];
  seed: number;
  parameters: ReadonlyMap<string, Tensor>;
  /**
   * The batches of a stage, from a position on (null: from the first).
   * @param doneAt   the share of the stage that is over when so many of its batches are taken
   */
  open(stage: number, position: unknown, doneAt: (taken: number) => number): Promise<Source<Batch>>;
  /** forward and backward of a step; gradients are of the mean over all processes' samples */
  train(batch: Batch, context: StepContext): StepOutcome;
  /** figures of held-out samples; runs with the averaged weights */
  validate?(stage: number, step: number): Promise<Record<string, number>>;
  /** writes samples and returns figures; runs with the averaged weights */
  sample?(stage: number, step: number): Promise<Record<string, number>>;
  /** files that say what a batch was that had to be left out */
  dump?(batch: Batch, folder: string, why: Record<string, unknown>): void;
  /** operations that the machine can do in a second, for the share of them that is used */
  peakFlops?: number;
  report: Reporter;
  signal: AbortSignal;
}

/** Where a run stands; plain JSON, stored with its checkpoints. */
interface LoopState {
  stage: number;
  /** optimizer steps, over all stages, and of this one */
  step: number;
  stageStep: number;
  /** of training, in this stage and over all */
  stageSeconds: number;
  seconds: number;
  /** seen, by all processes */
  samples: number;
  position: unknown;
  guard: GuardState;
  /** the stage was stopped at its very end, before its last figures */
  unmeasured?: boolean;
}

/**
 * Trains through all stages, from the newest checkpoint if there is one. At the end the parameters
 * are the averaged ones.
 *
 * @returns false if the signal stopped it: a checkpoint is written, and the same call goes on
 * @throws JobError if gradients stay bad, or the last checkpoint cannot be written
 */
export async function trainLoop<Batch>(options: LoopOptions<Batch>): Promise<boolean> {
  const { part, run, stages, seed, parameters, report, signal } = options;
  const { parallel } = run;
  const { weightDecay, betas, emaDecay } = stages[0]!;
  const optimizer = parallel.optimizer(parameters, { weightDecay, betas });
  const ema = new Ema(optimizer.masterWeights(), emaDecay);
  const checkpoints = run.checkpoints<LoopState>(part);
  const totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);

  const restore = ({ tensors }: Checkpoint<LoopState>) =>
    tidy(() => {
      noGrad(() => {
        for (const [name, parameter] of parameters) parameter.copy_(tensors.weights![name]!);
      });
      optimizer.loadStateDict(tensors.optimizer!);
      ema.loadStateDict(tensors.ema!);
    });

  const found = await checkpoints.load(report.log);
  if (found) restore(found);
  let state: LoopState = found?.state ?? {
    ...{ stage: 0, step: 0, stageStep: 0, stageSeconds: 0, seconds: 0, samples: 0 },
    ...{ position: null, guard: freshGuard() },
  };

  run.beginPart(part, found ? state.step + 1 : 0);

  /** @returns is it written? */
  const save = async (config: Optimisation): Promise<boolean> => {
    const written = {
      shared: { weights: Object.fromEntries(parameters) },
      own: { optimizer: optimizer.stateDict(), ema: ema.stateDict() },
      state: { ...state, guard: { ...state.guard, rollBacks: 0 } },
    };
    const { keepCheckpoints: last, milestoneEverySteps } = config;
    try {
      await checkpoints.save(written, { last, milestoneEverySteps });
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      report.log(`${error.message}; training goes on from the one before it if it is stopped`);
      return false;
    }
    state.guard = written.state.guard;
    return true;
  };

  /** Writes the averages into the parameters, in all processes. */
  const takeAverages = async () => {
    ema.copyTo(parameters);
    await optimizer.spread();
  };

  /** Runs `measure` with the averaged weights, and writes down what it returns. */
  const withAverages = async (measure: () => Promise<Record<string, number>>) => {
    const masters = optimizer.masterWeights();
    const isParameter = ([name, master]: [string, Tensor]) => master === parameters.get(name);
    // those of float32 parameters are these themselves
    const copies = noGrad(() =>
      [...masters]
        .filter(isParameter)
        .map(([name, m]) => [name, m.detach().clone().keep()] as const),
    );
    await takeAverages();
    try {
      const figures = await measure();
      if (Object.keys(figures).length === 0) return; // too few samples to keep any out
      run.log(part, state.step, figures);
      if (parallel.rank === 0) report.log(`${part} ${state.step}: ${format(figures)}`);
    } catch (error) {
      // a sheet that the disk has no room for, or stopped amid the samples: they alone are lost
      if (isDiskProblem(error)) run.tellFull(error as Error);
      else if (!signal.aborted) throw error;
    } finally {
      noGrad(() => {
        for (const [name, weights] of [...masters, ...copies]) {
          parameters.get(name)!.copy_(weights);
        }
      });
      for (const [, copy] of copies) copy.dispose();
      await optimizer.spread();
      emptyCache();
    }
  };

  /** The figures of a stage's last step. */
  const measureEnd = async (stage: number) => {
    const { validate, sample } = options;
    if (validate) await withAverages(() => validate(stage, state.step));
    if (sample) await withAverages(() => sample(stage, state.step));
  };

  for (; state.stage < stages.length; state = nextStage(state)) {
    const { stage } = state;
    const config = stages[stage]!;
    const name = config.name ?? '';
    // without a time limit, the share of steps done; with one, whichever is further
    const timeShare = () => state.stageSeconds / (config.maxSeconds ?? Infinity);
    const done = () => Math.max(state.stageStep / config.steps, timeShare());
    const doneAt = (taken: number) => Math.min(1, Math.max(taken / config.steps, timeShare()));
    const rate = () =>
      config.learningRate *
      state.guard.learningRateFactor *
      warmedCosine(done(), state.stageStep, config);

    if (done() >= 1) {
      if (state.unmeasured) {
        await measureEnd(stage);
        state.unmeasured = false;
        await save(config);
      }
      continue;
    }
    const source = await options.open(stage, state.position, doneAt);
    try {
      const stepsBefore = stages.slice(0, stage).reduce((sum, { steps }) => sum + steps, 0);
      // steps, or the share of the time limit that has passed
      const shown = () =>
        stepsBefore + (config.maxSeconds ? Math.floor(done() * config.steps) : state.stageStep);
      report.start(name === '' || name === 'all' ? part : `${part} ${name}`, totalSteps, shown());
      run.setStatus({ part, stage: name, step: state.step, steps: totalSteps });
      if (state.step === 0) await save(config);
      let savedAt = performance.now();
      let saved = true;
      let startedAt = performance.now();
      const means = new Means();

      while (done() < 1) {
        const startMs = performance.now();
        const { batch, position } = await source.next();
        const waitedSeconds = secondsSince(startMs);
        manualSeed(mixSeed(seed, state.step));
        const outcome = tidy(() =>
          options.train(batch, {
            step: state.step,
            stage,
            backward: (loss, last) => optimizer.backward(loss, last),
          }),
        );
        const { gradNorm, skipped } = await optimizer.step({
          learningRate: rate(),
          clipGradNorm: config.clipGradNorm,
          skipAbove: normLimit(state.guard, config),
        });
        optimizer.zeroGrad();
        const step = state.step + 1;
        const stageStep = state.stageStep + 1;
        const guard = afterStep(state.guard, { gradNorm, skipped });
        state = { ...state, step, stageStep, position, guard };
        const decay = skipped ? null : averagingDecay(step, config.emaDecay);
        if (decay !== null) ema.update(optimizer.masterWeights(), decay);
        await setImmediate(); // finalizers and signals run here

        // with a time limit all processes must agree on the time
        const [seconds] = config.maxSeconds
          ? ((await parallel.share(secondsSince(startMs))) as [number])
          : [secondsSince(startMs)];
        state.stageSeconds += seconds;
        state.seconds += seconds;
        state.samples += outcome.count ?? outcome.samples;
        means.add(outcome, { seconds, waitedSeconds, skipped, gradNorm });
        saved = false;
        const late = (performance.now() - savedAt) / 1000 > config.checkpointEverySeconds;
        const [stopping, due] = await parallel.any(signal.aborted, late);
        report.update(shown(), format(means.shown(options.peakFlops)));
        if (step % config.logEverySteps === 0 || done() >= 1 || stopping) {
          const figures = means.take(await parallel.share(means.sums()), options.peakFlops);
          if (parallel.size > 1) Object.assign(figures, communicationOf(parallel, startedAt));
          startedAt = performance.now();
          const { seconds, samples } = state;
          run.log(part, step, { ...figures, learningRate: rate(), seconds, samples });
          run.setStatus({ step });
        }

        if (skipped) {
          const why = { part, step, gradNorm, usual: Math.exp(guard.logNorm) };
          dumpBatch(options, batch, why);
          if (guard.badInRow >= config.rollBackAfter) await goBack(config);
        }
        // what is bad is not kept, nor where the run has just gone back to
        const good = !skipped;
        const milestone = config.milestoneEverySteps && step % config.milestoneEverySteps === 0;
        if (stopping && done() >= 1) state.unmeasured = true;
        if (stopping || (good && (due || milestone))) {
          saved = await save(config);
          savedAt = performance.now();
        }
        if (stopping) {
          report.end();
          if (!saved) throw new JobError(`${run.folder}: was stopped without a new checkpoint`);
          return false;
        }
        if (done() >= 1) break;
        const { validate, sample } = options;
        if (validate && step % config.validateEverySteps === 0) {
          await withAverages(() => validate(stage, step));
        }
        if (sample && step % config.sampleEverySteps === 0) {
          await withAverages(() => sample(stage, step));
        }
      }
      report.end();
      if (!saved && !(await save(config))) {
        throw new JobError(`${run.folder}: ${part} has ended without a checkpoint`);
      }
      await measureEnd(stage);
    } finally {
      await source.close();
    }
  }
  await takeAverages();
  optimizer.dispose();
  ema.dispose();
  return true;

  /** To the last good checkpoint, with a lower learning rate, and on with the batches after these. */
  async function goBack(config: Optimisation): Promise<void> {
    const checkpoint = await checkpoints.load(report.log);
    if (!checkpoint || state.guard.rollBacks >= MOST_ROLL_BACKS) {
      throw new JobError(
        `${run.folder}: gradients stay bad after going back ${state.guard.rollBacks} times; look at ${run.path('bad-batches')}, lower ${part}.learningRate and go on with --resume`,
      );
    }
    restore(checkpoint);
    const learningRateFactor = state.guard.learningRateFactor * config.rollBackLearningRate;
    const rollBacks = state.guard.rollBacks + 1;
    const { position, stage } = state;
    // the last good one may be the end of the stage before
    const before = checkpoint.state.stage < stage ? nextStage(checkpoint.state) : checkpoint.state;
    state = { ...before, position, guard: { ...before.guard, learningRateFactor, rollBacks } };
    report.log(
      `${part}: ${config.rollBackAfter} bad steps in a row; back to step ${state.step} with ${learningRateFactor} of the learning rate`,
    );
    run.beginPart(part, state.step + 1);
  }
}

const nextStage = (state: LoopState): LoopState => ({
  ...{ ...state, stage: state.stage + 1, stageStep: 0, stageSeconds: 0, position: null },
});

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1000;

/** Linear warm-up in steps, then half a cosine over the stage, down to `finalLearningRate`. */
function warmedCosine(done: number, step: number, config: Optimisation): number {
  const { finalLearningRate: floor, warmupSteps } = config;
  const cosine = schedules.cosine({ totalSteps: 1, floor });
  return schedules.withWarmup(() => cosine(done), warmupSteps)(step);
}

/** Steps between updates of the averages: they read and write as much as a step's weights. */
const EMA_STEPS = 4;

/** Every step at first, when averages forget the random start; null where none is due. */
function averagingDecay(step: number, emaDecay: number): number | null {
  const warming = step / (9 + step);
  if (warming < emaDecay ** EMA_STEPS) return Math.min(emaDecay, warming);
  return step % EMA_STEPS === 0 ? emaDecay ** EMA_STEPS : null;
}

/** Share of the time that this process has waited for others, and what it has sent. */
function communicationOf(parallel: Parallel, startedAt: number): Record<string, number> {
  const { waitedSeconds, bytes } = parallel.takeCost();
  return { communicationShare: waitedSeconds / secondsSince(startedAt), communicationBytes: bytes };
}

/** Dumped batches of a run: enough to see what they have in common. */
const MOST_DUMPS = 20;

function dumpBatch<Batch>(
  { run, dump, report }: LoopOptions<Batch>,
  batch: Batch,
  why: { part: string; step: number; gradNorm: number; usual: number },
): void {
  const { part, step, gradNorm } = why;
  report.log(`${part} ${step}: left out, its gradient norm is ${gradNorm}`);
  const folder = run.path('bad-batches');
  run.unlessFull(() => {
    mkdirSync(folder, { recursive: true });
    const before = readdirSync(folder).filter((name) => name.endsWith('.json')).length;
    if (before < MOST_DUMPS) {
      dump?.(batch, `${folder}/${part}-${String(step).padStart(8, '0')}`, why);
    }
  });
}

/** One seed per step, so that a resumed run draws what the uninterrupted one would have. */
const mixSeed = (seed: number, step: number): number => seed * 1_000_003 + step;

const format = (figures: Record<string, number>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value >= 10 ? value.toFixed(1) : value.toPrecision(3)}`)
    .join('  ');
