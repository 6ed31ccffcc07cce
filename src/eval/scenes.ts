/** Held-out scenes, what a task is given of them, and what a pipeline makes of that. */
import { type MiniWorldSample, miniWorld } from '../data/miniworld/index.js';
import { sceneSample } from '../data/miniworld/sample.js';
import { RandomStream } from '../data/random.js';
import { type Frames, tensorToFrames } from '../media/index.js';
import { putBack } from '../pipeline/finish.js';
import type { Pipeline, PipelineSettings } from '../pipeline/index.js';
import { type Condition, conditionOf, type Given, type Target, type Task } from '../tasks/index.js';
import { tidy } from '../tensor/index.js';

/** What a task makes at the size and length that the pipeline was trained on. */
export function targetOf(task: Pick<Task, 'result'>, settings: PipelineSettings): Target {
  const { width, height } = settings;
  return { width, height, numFrames: task.result === 'image' ? 1 : settings.numFrames };
}

/** A held-out scene as a task's trial; the same index, the same trial. */
export interface Trial {
  scene: MiniWorldSample;
  truth: Frames;
  given: Given;
}

export function heldOutTrial(task: Task, index: number, target: Target): Trial {
  const scene = miniWorld(index, { ...target, split: 'heldout' });
  const truth: Frames = { ...target, data: scene.frames };
  return {
    scene,
    truth,
    given: task.fromSample(
      sceneSample(scene.scene, truth, scene.caption, scene),
      new RandomStream(index, `trial ${task.id}`),
    ),
  };
}

export interface TrialResult extends Trial {
  /** what was given, on the result's grid; black where unknown */
  shown: Frames;
  result: Frames;
}

export interface SampleOptions {
  batchSize: number;
  /** trial i starts from the noise of seed + i */
  seed: number;
  /** defaults: the pipeline's */
  numInferenceSteps?: number;
  guidanceScale?: number;
  /** after every batch, with the number of trials done */
  onDone?: (done: number) => void;
  signal?: AbortSignal;
}

/** Samples all trials of a task, `batchSize` at once. */
export async function sampleTrials(
  pipeline: Pipeline,
  task: Task,
  trials: readonly Trial[],
  { batchSize, seed, onDone, signal, ...options }: SampleOptions,
): Promise<TrialResult[]> {
  const settings = pipeline.settingsFor(task);
  const target = targetOf(task, pipeline.settings);
  const results: TrialResult[] = [];
  for (let first = 0; first < trials.length; first += batchSize) {
    const batch = trials.slice(first, first + batchSize);
    const conditions = batch.map(({ given }) => conditionOf(given, target));
    try {
      const made = await pipeline.sample({
        task,
        prompts: batch.map(({ scene }) => scene.caption),
        conditions,
        target,
        numInferenceSteps: options.numInferenceSteps ?? settings.numInferenceSteps,
        guidanceScale: options.guidanceScale ?? settings.guidanceScale,
        motionScore: settings.motionScore,
        seed: seed + first,
        signal,
      }); // [B, 3, F, H, W]
      batch.forEach((trial, i) => {
        const condition = conditions[i]!;
        results.push({
          ...trial,
          shown: tidy(() => tensorToFrames(condition.pixels)),
          result: tidy(() => putBack(made.narrow(0, i, 1), task, trial.given, condition)),
        });
      });
      made.dispose();
    } finally {
      for (const condition of conditions) disposeCondition(condition);
    }
    onDone?.(results.length);
  }
  return results;
}

function disposeCondition({ pixels, depth, mask }: Condition): void {
  for (const part of [pixels, depth, mask]) part.dispose();
}
