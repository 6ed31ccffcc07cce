/** Periodic evaluations on held-out samples, with the averaged weights. */
import { emptyCache, noGrad, type Tensor, tidy } from '../../tensor/index.js';
import { isDiskProblem } from '../run/run.js';
import type { Tell } from './loop-options.js';
import type { Evaluation, Loop } from './loop-state.js';
import { addFigures, formatFigures, meansOf, type StepOutcome } from './means.js';
import { save } from './recover.js';

/** The evaluations that are due after the current step. */
export function evaluationsDue<Batch>({ config, options, state, done }: Loop<Batch>): Evaluation[] {
  const every = { validate: config.validateEverySteps, sample: config.sampleEverySteps };
  return (['validate', 'sample'] as const).filter(
    (kind) => options[kind] && (done >= 1 || state.step % every[kind] === 0),
  );
}

/**
 * Runs the pending evaluations, including those that a stop or a kill interrupted.
 * @returns false if the signal stopped them before the last
 */
export async function evaluatePending<Batch>(loop: Loop<Batch>): Promise<boolean> {
  const { options, state } = loop;
  const { part, run } = options;
  if (state.pendingEvaluations.length === 0) return true;
  const finished = await withAverages(loop, async () => {
    for (const kind of [...state.pendingEvaluations]) {
      run.setStatus({ doing: DOING[kind] });
      const all = await run.parallel.together(() => figuresOf(loop, kind));
      run.setStatus({ doing: undefined });
      if (all.some((sums) => sums === null)) return false;
      const sums: StepOutcome['figures'] = {};
      for (const one of all) addFigures(sums, one!);
      state.pendingEvaluations = state.pendingEvaluations.filter((other) => other !== kind);
      const figures = meansOf(sums);
      if (kind === 'validate' && options.remember) state.memory = options.remember(figures, state);
      if (Object.keys(figures).length === 0) continue; // there were too few samples to hold any out
      run.log(part, state.step, figures);
      loop.say(`${part} ${state.step}: ${formatFigures(figures)}`);
    }
    return true;
  });
  const isLast = loop.done >= 1 && state.stage === options.stages.length - 1;
  // after the last evaluation no further checkpoint would record that it is done
  if (finished ? isLast : !loop.saved) await save(loop);
  return finished;
}

const DOING: Record<Evaluation, string> = {
  validate: 'validating',
  sample: 'making sample sheets',
};

/** The sums of this process; null if it was stopped. */
async function figuresOf<Batch>(
  { options, state }: Loop<Batch>,
  kind: Evaluation,
): Promise<StepOutcome['figures'] | null> {
  const { run, signal, report } = options;
  let isPhase = false;
  const tell: Tell = (done, total) => {
    if (!isPhase) report.start(DOING[kind], total, '');
    isPhase = true;
    report.update(done, '');
  };
  try {
    return await options[kind]!(state.stage, state.step, tell);
  } catch (error) {
    if (signal.aborted) return null;
    if (!isDiskProblem(error)) throw error;
    run.sayFull(error as Error); // there is no room for a sheet
    return {};
  } finally {
    if (isPhase) report.end();
  }
}

/** Runs `evaluate` with the averaged weights in place of the trained ones. */
async function withAverages<Batch, T>(loop: Loop<Batch>, evaluate: () => Promise<T>): Promise<T> {
  const { optimizer, options } = loop;
  const { parameters } = options;
  const masters = optimizer.masterWeights();
  const isParameter = ([name, master]: [string, Tensor]) => master === parameters.get(name);
  // a float32 parameter is its own master weight
  const copies = noGrad(() =>
    [...masters]
      .filter(isParameter)
      .map(([name, m]) => [name, tidy(() => m.detach().clone().keep())] as const),
  );
  await takeAverages(loop);
  const result = await evaluate();
  noGrad(() => {
    for (const [name, weights] of [...masters, ...copies]) parameters.get(name)!.copy_(weights);
  });
  for (const [, copy] of copies) copy.dispose();
  await optimizer.spread();
  emptyCache();
  return result;
}

/** Writes the averages into the parameters, in all processes. */
export async function takeAverages<Batch>({ ema, options, optimizer }: Loop<Batch>): Promise<void> {
  ema.copyTo(options.parameters);
  await optimizer.spread();
}
