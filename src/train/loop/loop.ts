/**
 * The training loop. What is trained, on what, and for which loss, its caller says; this makes it
 * survive: exact resume, checkpoints, steps that are left out, and a way back when it goes wrong.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ParallelOptimizer } from '../../distributed/parallel.js';
import { DistributedError, JobError } from '../../errors.js';
import { Ema, globalGradNorm, schedules } from '../../optim/index.js';
import { emptyCache, manualSeed, noGrad, type Tensor, tidy } from '../../tensor/index.js';
import type { Optimisation } from '../recipe/config.js';
import type { Checkpoints } from '../run/checkpoints.js';
import { isDiskProblem, type Run } from '../run/run.js';
import { expectTensors } from './expect-tensors.js';
import { afterStep, freshGuard, type GuardState, MOST_ROLL_BACKS, normLimit } from './guard.js';
import { addFigures, Means, meansOf, type StepOutcome, type Sums } from './means.js';
import type { Reporter } from './reporter.js';
import type { Source } from './source.js';

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
  /** `validate` before the first step too, for what begins with weights that were trained */
  validatesFirst?: boolean;
  /** figures of this process's held-out samples; runs with the averaged weights */
  validate?(stage: number, step: number): Promise<StepOutcome['figures']>;
  /** writes samples and returns figures of this process; runs with the averaged weights */
  sample?(stage: number, step: number): Promise<StepOutcome['figures']>;
  /** files that say what a batch was that had to be left out */
  dump?(batch: Batch, folder: string, why: Record<string, unknown>): void;
  /** operations that the machine can do in a second, for the share of them that is used */
  peakFlops?: number;
  report: Reporter;
  signal: AbortSignal;
}

/** Figures that are made now and then, of held-out samples. */
type Measure = 'validate' | 'sample';

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
  /** what is due at this step and not done yet */
  unmeasured: Measure[];
}

interface StoredState extends LoopState {
  /** since the last line of metrics, by rank */
  sums: Sums[];
}

const freshState = (): LoopState => ({
  stage: 0,
  step: 0,
  stageStep: 0,
  stageSeconds: 0,
  seconds: 0,
  samples: 0,
  position: null,
  guard: freshGuard(),
  unmeasured: [],
});

/**
 * Trains through all stages, from the newest checkpoint if there is one. At the end the parameters
 * are the averaged ones.
 *
 * @returns false if the signal stopped it: a checkpoint is written, and the same call goes on
 * @throws JobError if gradients stay bad, or the last checkpoint cannot be written
 */
export async function trainLoop<Batch>(options: LoopOptions<Batch>): Promise<boolean> {
  const loop = await Loop.open(options);
  const finished = await loop.train();
  loop.dispose();
  return finished;
}

class Loop<Batch> {
  private readonly optimizer: ParallelOptimizer;
  private readonly ema: Ema;
  private readonly checkpoints: Checkpoints<StoredState>;
  private readonly totalSteps: number;
  private state = freshState();
  private means: Means;
  /** is the present step in a checkpoint? */
  private saved = true;
  /** of the newest checkpoint */
  private savedStep = 0;
  private savedMs = 0;
  private cannotSave = false;
  /** does it begin without a checkpoint? */
  private isNew = true;
  /** going back to checkpoints from this step on has not helped: no step was good since then */
  private doubtfulFrom = Infinity;

  private constructor(private readonly options: LoopOptions<Batch>) {
    const { stages, parameters, run, part } = options;
    const { weightDecay, betas, emaDecay } = stages[0]!;
    this.optimizer = run.parallel.optimizer(parameters, { weightDecay, betas });
    this.ema = new Ema(this.optimizer.masterWeights(), emaDecay);
    this.checkpoints = run.checkpoints<StoredState>(part);
    this.totalSteps = stages.reduce((sum, { steps }) => sum + steps, 0);
    this.means = new Means([], run.parallel);
  }

  static async open<Batch>(options: LoopOptions<Batch>): Promise<Loop<Batch>> {
    const { part, run } = options;
    const loop = new Loop(options);
    const found = await loop.restore();
    if (found) {
      loop.isNew = false;
      loop.state = found.state;
      loop.savedStep = found.state.step;
      loop.means = new Means(found.sums, run.parallel);
    }
    run.beginPart(part, found ? found.state.step + 1 : 0);
    return loop;
  }

  /** @returns false if the signal stopped it */
  async train(): Promise<boolean> {
    for (; this.state.stage < this.options.stages.length; this.state = nextStage(this.state)) {
      if (!(await this.trainStage())) return false;
    }
    await this.takeAverages();
    return true;
  }

  dispose(): void {
    this.optimizer.dispose();
    this.ema.dispose();
  }

  private get config(): Optimisation & { name?: string } {
    return this.options.stages[this.state.stage]!;
  }

  /** Without a time limit, the share of the stage's steps; with one, whichever is further. */
  private doneAt(steps: number): number {
    const { steps: all, maxSeconds = Infinity } = this.config;
    return Math.max(steps / all, this.state.stageSeconds / maxSeconds);
  }

  private get done(): number {
    return this.doneAt(this.state.stageStep);
  }

  private async trainStage(): Promise<boolean> {
    // what a stop or a kill came before
    if (!(await this.measure())) return false;
    if (this.done >= 1) return true;

    const { options, config, state } = this;
    const { part, run, report } = options;
    const name = config.name ?? '';
    const doneAt = (taken: number) => Math.min(1, this.doneAt(taken));
    const source = await options.open(state.stage, state.position, doneAt);
    try {
      run.keepRecipe();
      report.start(name === '' || name === 'all' ? part : `${part} ${name}`, this.expectedSteps());
      run.setStatus({ part, stage: name, step: state.step, steps: this.totalSteps });
      if (state.step === 0) {
        // due in the checkpoint, so that a run that is ended before that makes up for it
        if (this.isNew && options.validatesFirst && options.validate)
          state.unmeasured = ['validate'];
        await this.save();
        if (!this.saved) throw new JobError(`${run.folder}: ${part} cannot keep a checkpoint`);
        if (!(await this.measure())) return false;
      }
      this.savedMs = performance.now();
      while (this.done < 1) {
        if (!(await this.step(source)) || !(await this.measure())) return false;
      }
      return true;
    } finally {
      report.end();
      await source.close();
    }
  }

  /** @returns false if the signal stopped the run after it */
  private async step(source: Source<Batch>): Promise<boolean> {
    const { options, optimizer, config } = this;
    const { part, run, seed, report, signal, peakFlops } = options;
    const { parallel } = run;
    parallel.takeCost(); // that of other things than steps
    const startMs = performance.now();
    const { batch, position } = await source.next();
    const waitedSeconds = secondsSince(startMs);
    manualSeed(mixSeed(seed, this.state.step));
    const outcome = tidy(() =>
      options.train(batch, {
        step: this.state.step,
        stage: this.state.stage,
        backward: (loss, last) => optimizer.backward(loss, last),
      }),
    );
    const learningRate = this.learningRate();
    const { gradNorm, skipped } = await optimizer.step({
      learningRate,
      clipGradNorm: config.clipGradNorm,
      skipAbove: normLimit(this.state.guard, config),
    });
    optimizer.zeroGrad();
    const step = this.state.step + 1;
    const stageStep = this.state.stageStep + 1;
    const guard = afterStep(this.state.guard, { gradNorm, skipped });
    this.state = { ...this.state, step, stageStep, position, guard };
    const decay = skipped ? null : averagingDecay(step, config.emaDecay);
    if (decay !== null) this.ema.update(optimizer.masterWeights(), decay);
    await setImmediate(); // finalizers and signals run here

    // with a time limit all processes must agree on the time
    const [seconds] = config.maxSeconds
      ? ((await parallel.share(secondsSince(startMs))) as [number])
      : [secondsSince(startMs)];
    this.state.stageSeconds += seconds;
    this.state.seconds += seconds;
    this.state.samples += outcome.count ?? outcome.samples;
    const communication = parallel.takeCost();
    this.means.add(outcome, { seconds, waitedSeconds, communication, skipped, gradNorm });
    this.saved = false;
    const late = secondsSince(this.savedMs) > config.checkpointEverySeconds;
    const [stopping, due] = await parallel.any(signal.aborted, late);
    report.update(step, format(this.means.shown(peakFlops)), this.timeLimit());
    if (step % config.logEverySteps === 0 || this.done >= 1) await this.log(learningRate);
    else if (stopping) run.setStatus({ step });

    this.state.unmeasured = this.measuresDue();
    if (skipped)
      dumpBatch(options, batch, { part, step, gradNorm, usual: Math.exp(guard.logNorm) });
    else this.doubtfulFrom = Infinity;
    const { milestoneEverySteps } = config;
    const milestone = milestoneEverySteps !== undefined && step % milestoneEverySteps === 0;
    await this.keep({ wanted: due || milestone, stopping, skipped });
    return !stopping;
  }

  /** Writes a checkpoint if one is due and the weights are good, or goes back to one. */
  private async keep(now: { wanted: boolean; stopping: boolean; skipped: boolean }): Promise<void> {
    const { wanted, stopping, skipped } = now;
    const { part, run } = this.options;
    const { rollBackAfter } = this.config;
    const { badInRow } = this.state.guard;
    const last = this.done >= 1;
    // at the end nothing shows any more whether it was the samples or the weights
    const mostBad = last ? Math.min(2, rollBackAfter) : rollBackAfter;
    if (badInRow >= mostBad) await this.goBack(`${badInRow} bad steps in a row`);
    else if ((wanted || last || stopping) && !this.isSound()) await this.goBack('absurd weights');
    else if (wanted && !skipped) await this.save(); // what is bad is not kept

    if (!stopping && this.done < 1) return;
    if (!this.saved) await this.save();
    if (this.saved) return;
    const how = stopping ? 'stopped' : 'ended';
    throw new JobError(`${run.folder}: ${part} has ${how} without a checkpoint`);
  }

  /** The same answer in all processes, whose parameters are the same. */
  private isSound(): boolean {
    return Number.isFinite(globalGradNorm([...this.options.parameters.values()]));
  }

  private learningRate(): number {
    const { config, state } = this;
    const schedule = warmedCosine(this.done, state.stageStep, config);
    return config.learningRate * state.guard.learningRateFactor * schedule;
  }

  private timeLimit(): { seconds: number; share: number } | undefined {
    const { maxSeconds } = this.config;
    return maxSeconds === undefined
      ? undefined
      : { seconds: maxSeconds, share: Math.min(1, this.done) };
  }

  /** Over all stages, of which earlier ones may have ended with their time. */
  private expectedSteps(): number {
    const { step, stage, stageStep } = this.state;
    const left = this.options.stages.slice(stage).reduce((sum, { steps }) => sum + steps, 0);
    return step - stageStep + left;
  }

  /** Writes a line of metrics, and what other processes have had to say. */
  private async log(learningRate: number): Promise<void> {
    const { part, run, report, peakFlops } = this.options;
    const { step, seconds, samples } = this.state;
    const sums = this.means.sums();
    const { steps, skipped } = sums.totals;
    const all = await run.parallel.share({ sums, said: report.take?.() ?? [] });
    all.forEach(({ said }, rank) => {
      for (const text of said) this.say(`rank ${rank}: ${text}`);
    });
    const figures = this.means.take(
      all.map((one) => one.sums),
      peakFlops,
    );
    // what a checkpoint holds, on which the run may go on after all, has not been left out
    if (skipped < steps || step > this.savedStep) {
      run.log(part, step, { ...figures, learningRate, seconds, samples });
    }
    run.setStatus({ step });
  }

  /** What all processes know, once. */
  private say(text: string): void {
    const { run, report } = this.options;
    if (run.parallel.rank === 0) report.log(text);
  }

  private measuresDue(): Measure[] {
    const { config, options, state } = this;
    const every = { validate: config.validateEverySteps, sample: config.sampleEverySteps };
    return (['validate', 'sample'] as const).filter(
      (kind) => options[kind] && (this.done >= 1 || state.step % every[kind] === 0),
    );
  }

  /** Makes the figures that are due, with the averaged weights. @returns false if stopped amid them */
  private async measure(): Promise<boolean> {
    const { options, state } = this;
    const { part, run } = options;
    if (state.unmeasured.length === 0) return true;
    const finished = await this.withAverages(async () => {
      for (const kind of [...state.unmeasured]) {
        const all = await run.parallel.together(() => this.figuresOf(kind));
        if (all.some((sums) => sums === null)) return false;
        const sums: StepOutcome['figures'] = {};
        for (const one of all) addFigures(sums, one!);
        state.unmeasured = state.unmeasured.filter((other) => other !== kind);
        const figures = meansOf(sums);
        if (Object.keys(figures).length === 0) continue; // too few samples to keep any out
        run.log(part, state.step, figures);
        this.say(`${part} ${state.step}: ${format(figures)}`);
      }
      return true;
    });
    const isLast = this.done >= 1 && state.stage === options.stages.length - 1;
    // nothing comes after the last that would be written down
    if (finished ? isLast : !this.saved) await this.save();
    return finished;
  }

  /** Of this process; null if it was stopped. */
  private async figuresOf(kind: Measure): Promise<StepOutcome['figures'] | null> {
    const { run, signal } = this.options;
    try {
      return await this.options[kind]!(this.state.stage, this.state.step);
    } catch (error) {
      if (signal.aborted) return null;
      if (!isDiskProblem(error)) throw error;
      run.tellFull(error as Error); // a sheet that there is no room for
      return {};
    }
  }

  /** Runs `measure` with the averaged weights in place of the trained ones. */
  private async withAverages<T>(measure: () => Promise<T>): Promise<T> {
    const { parameters } = this.options;
    const masters = this.optimizer.masterWeights();
    const isParameter = ([name, master]: [string, Tensor]) => master === parameters.get(name);
    // those of float32 parameters are these themselves
    const copies = noGrad(() =>
      [...masters]
        .filter(isParameter)
        .map(([name, m]) => [name, m.detach().clone().keep()] as const),
    );
    await this.takeAverages();
    const result = await measure();
    noGrad(() => {
      for (const [name, weights] of [...masters, ...copies]) parameters.get(name)!.copy_(weights);
    });
    for (const [, copy] of copies) copy.dispose();
    await this.optimizer.spread();
    emptyCache();
    return result;
  }

  /** Writes the averages into the parameters, in all processes. */
  private async takeAverages(): Promise<void> {
    this.ema.copyTo(this.options.parameters);
    await this.optimizer.spread();
  }

  /** Writes a checkpoint, as far as there is room for it; `saved` says whether. */
  private async save(): Promise<void> {
    const { checkpoints, ema, optimizer, state, config } = this;
    const { part, parameters, run } = this.options;
    const guard = { ...state.guard, rollBacks: 0 };
    const sums = await run.parallel.share(this.means.sums());
    const { keepCheckpoints: last, milestoneEverySteps } = config;
    try {
      const folder = await checkpoints.save(
        {
          shared: { weights: Object.fromEntries(parameters) },
          own: { optimizer: optimizer.stateDict(), ema: ema.stateDict() },
          state: { ...state, guard, sums },
        },
        { last, milestoneEverySteps },
      );
      this.saved = true;
      this.savedStep = state.step;
      this.cannotSave = false;
      state.guard = guard;
      run.emit({ type: 'checkpoint', part, step: state.step, folder });
    } catch (error) {
      if (!(error instanceof JobError) || error instanceof DistributedError) throw error;
      this.saved = false;
      if (!this.cannotSave) {
        this.say(`${error.message}; training goes on from the one before it if it is stopped`);
      }
      this.cannotSave = true;
    }
    this.savedMs = performance.now();
  }

  /** Takes weights, averages and the optimizer's state from a checkpoint; the rest is its state. */
  private async restore(beforeStep = Infinity): Promise<{ state: LoopState; sums: Sums[] } | null> {
    const { optimizer, ema, options } = this;
    const found = await this.checkpoints.load(
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
    if (!found) return null;
    const { sums, ...state } = found;
    return { state, sums };
  }

  /**
   * To the last good checkpoint, with a lower learning rate, and on with the batches after these.
   * Where that did not help once, to the one before.
   */
  private async goBack(reason: string): Promise<void> {
    const { config, options } = this;
    const { part, run } = options;
    const { position, stage, guard } = this.state;
    const { rollBacks } = guard;
    const found =
      rollBacks < MOST_ROLL_BACKS
        ? ((await this.restore(this.doubtfulFrom)) ?? (await this.restore()))
        : null;
    if (!found) {
      throw new JobError(
        `${run.folder}: gradients stay bad after going back ${rollBacks} times; look at ${run.path('bad-batches')}, lower ${part}.learningRate and go on with --resume`,
      );
    }
    this.doubtfulFrom = found.state.step;
    const learningRateFactor = guard.learningRateFactor * config.rollBackLearningRate;
    // the last good one may be the end of the stage before
    const before = found.state.stage < stage ? nextStage(found.state) : found.state;
    this.state = {
      ...before,
      position,
      unmeasured: [],
      guard: { ...before.guard, learningRateFactor, rollBacks: rollBacks + 1 },
    };
    this.say(
      `${part}: ${reason}; back to step ${this.state.step} with ${learningRateFactor} of the learning rate`,
    );
    run.beginPart(part, this.state.step + 1);
  }
}

const nextStage = (state: LoopState): LoopState => ({
  ...state,
  stage: state.stage + 1,
  stageStep: 0,
  stageSeconds: 0,
  position: null,
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

/** Dumped batches of a run: enough to see what they have in common. */
const MOST_DUMPS = 20;

function dumpBatch<Batch>(
  { run, dump, report }: LoopOptions<Batch>,
  batch: Batch,
  why: { part: string; step: number; gradNorm: number; usual: number },
): void {
  const { part, step, gradNorm } = why;
  const { rank, size } = run.parallel;
  if (rank === 0) report.log(`${part} ${step}: left out, its gradient norm is ${gradNorm}`);
  // of every process: any of them may hold the sample that is to blame
  const name = `${part}-${String(step).padStart(8, '0')}${size > 1 ? `-rank${rank}` : ''}`;
  const folder = run.path('bad-batches');
  run.unlessFull(() => {
    mkdirSync(folder, { recursive: true });
    const before = readdirSync(folder).filter((entry) => entry.endsWith('.json')).length;
    if (before < MOST_DUMPS * size) dump?.(batch, join(folder, name), why);
  });
}

/** One seed per step, so that a resumed run draws what the uninterrupted one would have. */
const mixSeed = (seed: number, step: number): bigint =>
  BigInt.asUintN(64, BigInt(seed) * 1_000_003n + BigInt(step));

const format = (figures: Record<string, number>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value >= 10 ? value.toFixed(1) : value.toPrecision(3)}`)
    .join('  ');
