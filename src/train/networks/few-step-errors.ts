/**
 * How far a distilled pipeline's results in few steps are from its teacher's in many: of the same
 * held-out samples, from the same noise.
 */
import type { Parallel } from '../../distributed/parallel.js';
import type { Pipeline } from '../../pipeline/index.js';
import { type Condition, conditionOf, NOTHING } from '../../tasks/index.js';
import { cat, Generator, noGrad, randn, type Tensor, tidy } from '../../tensor/index.js';
import type { StepBatch, TrainSample } from '../feed/batch.js';
import { microBatches } from '../feed/micro-batches.js';
import type { Tell } from '../loop/loop-options.js';
import { addFigures, type StepOutcome } from '../loop/means.js';

/** Numbers of steps that are measured. */
const STEPS = [1, 2, 4];
/** Samples of each task that are measured: the teacher's take as long as sheets do. */
const SAMPLES = 4;

/** The teacher's results for a batch, [B, C, f, h, w], in this process. */
export interface Reference {
  latents: Tensor;
}

export interface FewStepOptions {
  teacher: Pipeline;
  student: Pipeline;
  /** validation batches, each of one task */
  batches: readonly StepBatch[];
  /** the teacher's results, which are added when they are first needed; the caller frees them */
  references: Map<StepBatch, Reference>;
  /** every process measures its part */
  parallel: Pick<Parallel, 'rank' | 'size'>;
  /** largest number of tokens to compute at once; a single sample may exceed it */
  tokensAtOnce: number;
  signal: AbortSignal;
  /** hears how many of the tasks are done */
  tell: Tell;
}

/**
 * Mean squared differences of latents, relative to the variance of the teacher's: 0 is the teacher's
 * result, 1 as far as a constant. By steps (`validation/4 steps`), and by task (`validation/t2v, 4
 * steps`).
 *
 * @returns sums over this process's part
 * @throws the signal's reason if it aborts
 */
export async function fewStepErrors(options: FewStepOptions): Promise<StepOutcome['figures']> {
  const { teacher, student, references, parallel, signal, tell } = options;
  const sums: StepOutcome['figures'] = {};
  const batches = firstOfEachTask(options.batches);
  for (const [i, batch] of batches.entries()) {
    tell(i, batches.length);
    const own = batch.samples
      .slice(0, SAMPLES)
      .filter(({ index }) => index % parallel.size === parallel.rank);
    if (own.length === 0) continue;
    const { task } = own[0]!;
    const many = teacher.settingsFor(task).numInferenceSteps;
    const make = (pipeline: Pipeline, steps: number) =>
      resultsOf(pipeline, own, batch, { ...options, steps });
    let reference = references.get(batch);
    if (!reference) {
      reference = { latents: await make(teacher, many) };
      references.set(batch, reference);
    }
    for (const steps of STEPS) {
      signal.throwIfAborted();
      const made = await make(student, steps);
      const error = tidy(() => {
        const wanted = reference.latents;
        const variance = wanted.sub(wanted.mean()).square().mean().item();
        return made.sub(wanted).square().mean().item() / variance;
      });
      made.dispose();
      const label = steps === 1 ? '1 step' : `${steps} steps`;
      const figure = { sum: own.length * error, count: own.length };
      addFigures(sums, {
        [`validation/${label}`]: figure,
        [`validation/${task.id}, ${label}`]: figure,
      });
    }
  }
  return sums;
}

function firstOfEachTask(batches: readonly StepBatch[]): StepBatch[] {
  const seen = new Map<string, StepBatch>();
  for (const batch of batches) {
    const id = batch.samples[0]?.task.id;
    if (id !== undefined && !seen.has(id)) seen.set(id, batch);
  }
  return [...seen.values()];
}

/** Latents of samples of one task, from noise that is the same each time; the caller frees them. */
async function resultsOf(
  pipeline: Pipeline,
  samples: readonly TrainSample[],
  { target, tokens }: StepBatch,
  { steps, tokensAtOnce, signal }: FewStepOptions & { steps: number },
): Promise<Tensor> {
  const { task } = samples[0]!;
  const { guidanceScale, negativePrompt } = pipeline.settingsFor(task);
  const rows = guidanceScale > 1 ? 2 : 1;
  const made: Tensor[] = [];
  for (const part of microBatches(samples, rows * tokens, tokensAtOnce)) {
    const conditions = part.map(({ given }) => conditionFor(pipeline, given, target));
    const noise = noGrad(() => cat(part.map(noiseOf)));
    made.push(
      await pipeline.denoise({
        task,
        target,
        conditions,
        negativePrompt,
        guidanceScale,
        signal,
        prompts: part.map(({ caption }) => caption),
        numInferenceSteps: steps,
        motionScore: pipeline.settingsFor(task).motionScore,
        seed: 0,
        latents: noise,
      }),
    );
    for (const tensor of [noise, ...conditions.flatMap(Object.values)]) tensor.dispose();
  }
  const all = noGrad(() => cat(made).keep());
  for (const one of made) if (one !== all) one.dispose();
  return all;
}

const conditionFor = (
  { settings }: Pipeline,
  given: TrainSample['given'],
  target: StepBatch['target'],
): Condition => conditionOf(given ?? NOTHING, target, { scale: settings.depthScale });

const noiseOf = ({ latents, index }: TrainSample): Tensor =>
  randn(latents.shape, { generator: new Generator(NOISE_SEED + index) });

const NOISE_SEED = 9_000_000;
