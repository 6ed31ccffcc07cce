/** Sheets of what the transformer makes of held-out samples, task by task. */
import { contactSheet, tensorToFrames } from '../media/index.js';
import { psnr } from '../media/psnr.js';
import type { Pipeline } from '../pipeline/index.js';
import { conditionOf, NOTHING } from '../tasks/index.js';
import { cat, noGrad, tidy } from '../tensor/index.js';
import type { StepBatch } from './feed/batch.js';
import type { Run } from './run.js';

const ROWS = 6;
const STEPS = 16;

export interface SheetOptions {
  run: Run;
  seed: number;
  step: number;
  signal: AbortSignal;
  /** told of each sheet that is written */
  onSheet?: (task: string, path: string) => void;
}

/**
 * One sheet per task in samples/: what is given, what is made of it, and what it was.
 *
 * @param batches   held-out samples, each batch of one task; the first of each task is shown
 * @returns the PSNR of the tasks that are given something
 */
export async function taskSheets(
  pipeline: Pipeline,
  batches: readonly StepBatch[],
  { run, seed, step, signal, onSheet }: SheetOptions,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const seen = new Set<string>();
  for (const { samples: all, target } of batches) {
    const task = all[0]?.task;
    // none of a batch's files may be readable
    if (!task || seen.has(task.id)) continue;
    seen.add(task.id);
    const samples = all.slice(0, ROWS);
    const settings = pipeline.settingsFor(task);
    const conditions = samples.map(({ given }) => conditionOf(given ?? NOTHING, target));
    const latents = noGrad(() =>
      tidy(() =>
        cat(samples.map((sample) => sample.latents))
          .to('float32')
          .keep(),
      ),
    );
    const truth = await pipeline.decode(latents, { signal });
    const made = await pipeline.sample({
      task,
      prompts: samples.map(({ caption }) => caption),
      conditions,
      target,
      numInferenceSteps: STEPS,
      guidanceScale: settings.guidanceScale,
      motionScore: settings.motionScore,
      seed,
      signal,
    });
    const rows = samples.map(({ caption, given }, i) =>
      tidy(() => {
        const [result, was] = [made, truth].map((video) => tensorToFrames(video.narrow(0, i, 1)));
        const shown = given
          ? [tensorToFrames(conditions[i]!.pixels), result!, was!]
          : [result!, was!];
        return { label: caption.slice(0, 90), images: shown };
      }),
    );
    const name = `transformer-${String(step).padStart(6, '0')}-${task.id}.png`;
    const path = run.path('samples', name);
    await contactSheet(rows, path, { framesPerClip: 4, scale: target.width > 128 ? 1 : 2 });
    onSheet?.(task.id, path);
    if (task.inputs.length > 0) {
      figures[`psnr/${task.id}`] = tidy(() => {
        const values = samples.map((_, i) => psnr(made.narrow(0, i, 1), truth.narrow(0, i, 1)));
        return values.reduce((a, b) => a + b, 0) / values.length;
      });
    }
    for (const tensor of [latents, truth, made, ...conditions.flatMap(Object.values)]) {
      tensor.dispose();
    }
  }
  return figures;
}
