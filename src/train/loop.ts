/** The training loop. What is trained, on what, and for which loss, its caller says. */
import { setImmediate } from 'node:timers/promises';
import { AdamW, Ema, schedules } from '../optim/index.js';
import { manualSeed, noGrad, type Tensor, tidy } from '../tensor/index.js';
import type { Optimisation } from './config.js';
import type { Run } from './run.js';

/** Where a loop says how it goes; the command line shows it. */
export interface Reporter {
  start(part: string, total: number, done: number): void;
  update(done: number, note: string): void;
  log(text: string): void;
  end(): void;
}

export interface LoopOptions<Batch> {
  part: string;
  run: Run;
  config: Optimisation;
  seed: number;
  parameters: ReadonlyMap<string, Tensor>;
  /** the batch of a step, at a share `done` of the run; the same arguments give the same batch */
  batch(step: number, done: number): Promise<Batch>;
  /** forward and backward; returns the number of samples and the losses to be shown */
  train(batch: Batch, step: number): { samples: number; losses: Record<string, number> };
  /** writes samples and returns figures; runs with the averaged weights */
  sample?(step: number): Promise<Record<string, number>>;
  report: Reporter;
  signal: AbortSignal;
}

const LOG_STEPS = 20;

/**
 * Trains until `config.steps` or `config.maxSeconds`, from the newest checkpoint if there is one.
 * At the end the parameters are the averaged ones.
 * @returns false if the signal stopped it: a checkpoint is written, and the same call goes on
 */
export async function trainLoop<Batch>(options: LoopOptions<Batch>): Promise<boolean> {
  const { part, run, config, seed, parameters, report, signal } = options;
  const { learningRate, clipGradNorm, weightDecay, betas, emaDecay } = config;
  const optimizer = new AdamW(parameters, { weightDecay, betas });
  const ema = new Ema(optimizer.masterWeights(), emaDecay);
  let { step, seconds } = restore(run, part, optimizer, ema, parameters);

  // without a time limit, the share of steps done; with one, whichever is further
  const done = () => Math.max(step / config.steps, seconds / (config.maxSeconds ?? Infinity));
  const rate = () => learningRate * warmedCosine(done(), step, config);
  const averages = new RunningMeans();
  const save = () =>
    run.saveCheckpoint(part, {
      tensors: {
        weights: Object.fromEntries(parameters),
        optimizer: optimizer.stateDict(),
        ema: ema.stateDict(),
      },
      state: { step, seconds },
    });
  const sample = async () => {
    if (!options.sample) return;
    ema.copyTo(parameters);
    try {
      const figures = await options.sample(step);
      run.log(part, step, figures);
      report.log(`${part} ${step}: ${format(figures)}`);
    } catch (error) {
      if (!signal.aborted) throw error; // stopped amid the samples: they alone are lost
    } finally {
      noGrad(() => {
        for (const [name, master] of optimizer.masterWeights()) parameters.get(name)!.copy_(master);
      });
    }
  };

  // steps, or the share of the time limit that has passed
  const shown = () => (config.maxSeconds ? Math.floor(done() * config.steps) : step);
  report.start(part, config.steps, shown());
  let savedSeconds = seconds;
  while (done() < 1) {
    const startMs = performance.now();
    const batch = await options.batch(step, done());
    manualSeed(mixSeed(seed, step));
    const { samples, losses } = tidy(() => options.train(batch, step));
    const { gradNorm, skipped } = optimizer.step({ learningRate: rate(), clipGradNorm });
    optimizer.zeroGrad();
    step += 1;
    const decay = averagingDecay(step, emaDecay);
    if (decay !== null) ema.update(optimizer.masterWeights(), decay);
    await setImmediate(); // finalizers and signals run here

    const stepSeconds = (performance.now() - startMs) / 1000;
    seconds += stepSeconds;
    averages.add({ ...losses, gradNorm, samples, seconds: stepSeconds, skipped: skipped ? 1 : 0 });
    const { samples: meanSamples, seconds: meanSeconds, ...means } = averages.values();
    const figures = { ...means, samplesPerSecond: meanSamples! / meanSeconds! };
    report.update(shown(), format(figures));
    if (step % LOG_STEPS === 0 || done() >= 1)
      run.log(part, step, { ...figures, learningRate: rate() });
    if (signal.aborted || seconds - savedSeconds > config.checkpointEverySeconds) {
      save();
      savedSeconds = seconds;
    }
    if (signal.aborted) {
      report.end();
      return false;
    }
    if (step % config.sampleEverySteps === 0 && done() < 1) await sample();
  }
  if (savedSeconds !== seconds) {
    save();
    await sample();
  }
  ema.copyTo(parameters);
  optimizer.dispose();
  ema.dispose();
  report.end();
  return true;
}

function restore(
  run: Run,
  part: string,
  optimizer: AdamW,
  ema: Ema,
  parameters: ReadonlyMap<string, Tensor>,
): { step: number; seconds: number } {
  return tidy(() => {
    const checkpoint = run.loadCheckpoint(part);
    if (!checkpoint) return { step: 0, seconds: 0 };
    const { weights, optimizer: state, ema: averages } = checkpoint.tensors;
    noGrad(() => {
      for (const [name, parameter] of parameters) parameter.copy_(weights![name]!);
    });
    optimizer.loadStateDict(state!);
    ema.loadStateDict(averages!);
    return checkpoint.state;
  });
}

/** Linear warm-up in steps, then half a cosine over the run, down to `finalLearningRate`. */
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

/** One seed per step, so that a resumed run draws what the uninterrupted one would have. */
export const mixSeed = (seed: number, step: number): number => seed * 1_000_003 + step;

const format = (figures: Record<string, number>): string =>
  Object.entries(figures)
    .filter(([name, value]) => name !== 'skipped' || value > 0)
    .map(([name, value]) => `${name} ${value >= 10 ? value.toFixed(1) : value.toPrecision(3)}`)
    .join('  ');

/** Means that follow the last fifty or so values of each figure. */
class RunningMeans {
  private readonly means = new Map<string, { value: number; weight: number }>();

  add(figures: Record<string, number>): void {
    for (const [name, value] of Object.entries(figures)) {
      const mean = this.means.get(name) ?? { value: 0, weight: 0 };
      mean.value = mean.value * 0.98 + value;
      mean.weight = mean.weight * 0.98 + 1;
      this.means.set(name, mean);
    }
  }

  values(): Record<string, number> {
    return Object.fromEntries(
      [...this.means].map(([name, { value, weight }]) => [name, value / weight]),
    );
  }
}
