/** Sample sheets: what the transformer makes from held-out conditions, task by task. */
import { contactSheet, type Frames, tensorToFrames } from '../../media/index.js';
import { psnr } from '../../media/pixels/psnr.js';
import type { Pipeline } from '../../pipeline/index.js';
import { conditionOf, hasCondition, NOTHING, type Target, type Task } from '../../tasks/index.js';
import { cat, noGrad, tidy } from '../../tensor/index.js';
import type { StepBatch, TrainSample } from '../feed/batch.js';
import { microBatches } from '../feed/micro-batches.js';
import type { Tell } from '../loop/loop-options.js';
import type { Run } from '../run/run.js';

const ROWS = 6;
/** Sampling steps at the most; a pipeline's own number may be lower. */
const STEPS = 16;

export interface SheetOptions {
  run: Run;
  /** the part of the run, which the files are named after; default: transformer */
  part?: string;
  seed: number;
  step: number;
  signal: AbortSignal;
  /** largest number of tokens to compute at once; a single sample may exceed it */
  tokensAtOnce: number;
  /** hears how many of the batches are done */
  tell?: Tell;
  /** called for each sheet that is written */
  onSheet?: (task: string, path: string) => void;
}

/**
 * Writes one sheet per task into samples/: the condition, the result, the original, and the
 * autoencoder's reconstruction of the original, which is the best that can be reached.
 *
 * @param batches   validation batches, each of one task; the first of each task is shown
 * @returns the PSNR of results against the autoencoder's reconstruction, for tasks with inputs
 */
export async function taskSheets(
  pipeline: Pipeline,
  batches: readonly StepBatch[],
  {
    run,
    part: named = 'transformer',
    seed,
    step,
    signal,
    tokensAtOnce,
    tell,
    onSheet,
  }: SheetOptions,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const seen = new Set<string>();
  for (const [i, { samples, target, tokens }] of batches.entries()) {
    tell?.(i, batches.length);
    const task = samples[0]?.task;
    // perhaps none of the batch's files could be read
    if (!task || seen.has(task.id)) continue;
    seen.add(task.id);
    // with guidance, each step computes a sample twice
    const passes = pipeline.settingsFor(task).guidanceScale > 1 ? 2 : 1;
    const shown: Shown[] = [];
    for (const part of microBatches(samples.slice(0, ROWS), passes * tokens, tokensAtOnce)) {
      const options = { seed: seed + shown.length, signal };
      shown.push(...(await showSamples(pipeline, part, target, options)));
    }
    const name = `${named}-${String(step).padStart(6, '0')}-${task.id}.png`;
    const path = run.path('samples', name);
    await contactSheet(
      shown.map(({ row }) => row),
      path,
      { columns: columnsOf(task), framesPerClip: 4, scale: target.width > 128 ? 1 : 2 },
    );
    onSheet?.(task.id, path);
    if (hasCondition(task)) {
      figures[`psnr/${task.id}`] = shown.reduce((sum, one) => sum + one.psnr, 0) / shown.length;
    }
  }
  return figures;
}

/** All headings in one line: above each column, they would be wider than small pictures. */
const columnsOf = (task: Task): string[] => {
  const given = hasCondition(task) ? ['given'] : [];
  return [[...given, 'made', 'as it was', "the autoencoder's copy of that"].join(', ')];
};

interface Shown {
  row: Parameters<typeof contactSheet>[0][number];
  /** PSNR of the result, dB */
  psnr: number;
}

/** Makes samples of one task, all at once. */
async function showSamples(
  pipeline: Pipeline,
  samples: readonly TrainSample[],
  target: Target,
  { seed, signal }: Pick<SheetOptions, 'seed' | 'signal'>,
): Promise<Shown[]> {
  const { task } = samples[0]!;
  const { guidanceScale, motionScore, numInferenceSteps } = pipeline.settingsFor(task);
  const { depthScale: scale } = pipeline.settings;
  const conditions = samples.map(({ given }) => conditionOf(given ?? NOTHING, target, { scale }));
  const latents = noGrad(() =>
    tidy(() =>
      cat(samples.map((sample) => sample.latents))
        .to('float32')
        .keep(),
    ),
  );
  const decoded = await pipeline.decode(latents, { signal });
  const truth = decoded.to('cpu');
  const made = await pipeline.sample({
    task,
    conditions,
    target,
    guidanceScale,
    motionScore,
    seed,
    signal,
    prompts: samples.map(({ caption }) => caption),
    numInferenceSteps: Math.min(STEPS, numInferenceSteps),
  });
  const pictures = await Promise.all(samples.map(({ picture }) => picture?.() ?? null));
  const shown = samples.map((sample, i) =>
    tidy(() => {
      const [result, copy] = [made, truth].map((video) => video.narrow(0, i, 1));
      const known = sample.given ? [tensorToFrames(conditions[i]!.pixels)] : [];
      const was = pictures[i] ?? blank(target);
      const images = [...known, tensorToFrames(result!), was, tensorToFrames(copy!)];
      return { row: { label: labelOf(sample), images }, psnr: psnr(result!, copy!) };
    }),
  );
  for (const tensor of [latents, decoded, truth, made, ...conditions.flatMap(Object.values)]) {
    tensor.dispose();
  }
  return shown;
}

/** A caption, cut to fit above the narrowest row. */
const labelOf = ({ caption, trainedOn }: TrainSample): string =>
  `${caption.slice(0, 90)}${trainedOn ? ' (trained on)' : ''}`;

/** A white picture in place of pixels that cannot be read any more. */
function blank({ width, height }: Target): Frames {
  return { width, height, numFrames: 1, data: new Uint8Array(width * height * 3).fill(255) };
}
