/** Sheets of what the transformer makes of held-out scenes, task by task. */
import { miniWorld } from '../data/miniworld/index.js';
import { sceneSample } from '../data/miniworld/sample.js';
import { RandomStream } from '../data/random.js';
import { contactSheet, type Frames, framesToTensor, tensorToFrames } from '../media/index.js';
import { psnr } from '../media/psnr.js';
import type { Pipeline } from '../pipeline/index.js';
import { conditionOf, promptFor, weightedTasks } from '../tasks/index.js';
import { tidy } from '../tensor/index.js';
import type { PartContext } from './autoencoder.js';

const SCENES = 6;
const STEPS = 16;

/** One sheet per trained task in samples/; returns the PSNR of the tasks that have a reference. */
export async function taskSheets(
  pipeline: Pipeline,
  { run, recipe, signal }: PartContext,
  step: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const { task } of weightedTasks(recipe.transformer.tasks)) {
    const { id } = task;
    const settings = pipeline.settingsFor(task);
    const target = {
      width: recipe.miniworld.width,
      height: recipe.miniworld.height,
      numFrames: task.result === 'image' ? 1 : recipe.latents.numFrames,
    };
    const { maxObjects } = recipe.miniworld;
    const scenes = Array.from({ length: SCENES }, (_, seed) =>
      miniWorld(seed, { ...target, maxObjects, split: 'heldout' }),
    );
    const clips: Frames[] = scenes.map((scene) => ({ ...target, data: scene.frames }));
    const samples = scenes.map((scene, i) =>
      sceneSample(scene.scene, clips[i]!, scene.caption, scene),
    );
    const givens = samples.map((sample, i) =>
      task.fromSample(sample, new RandomStream(i, 'samples')),
    );
    const conditions = givens.map((given) => conditionOf(given, target));
    const made = await pipeline.sample({
      task,
      prompts: samples.map((sample) => promptFor(task, sample)),
      conditions,
      target,
      numInferenceSteps: STEPS,
      guidanceScale: settings.guidanceScale,
      motionScore: settings.motionScore,
      seed: recipe.seed,
      signal,
    });
    const rows = samples.map((_, i) => {
      const result = tidy(() => tensorToFrames(made.narrow(0, i, 1)));
      const given = tidy(() => tensorToFrames(conditions[i]!.pixels));
      const shown = task.inputs.length > 0 ? [given, result, clips[i]!] : [result, clips[i]!];
      return { label: promptFor(task, samples[i]!).slice(0, 90), images: shown };
    });
    await contactSheet(
      rows,
      run.path('samples', `transformer-${String(step).padStart(6, '0')}-${id}.png`),
      { framesPerClip: 4, scale: 2 },
    );
    if (task.inputs.length > 0) {
      figures[`${id}Psnr`] = tidy(() => {
        const values = clips.map((clip, i) => psnr(made.narrow(0, i, 1), framesToTensor(clip)));
        return values.reduce((a, b) => a + b, 0) / values.length;
      });
    }
    made.dispose();
    for (const { pixels, depth, mask } of conditions) {
      for (const part of [pixels, depth, mask]) part.dispose();
    }
  }
  return figures;
}
