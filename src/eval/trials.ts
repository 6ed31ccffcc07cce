/** What is tried, and what a pipeline makes of it. */
import type { MiniWorldSample } from '../data/miniworld/index.js';
import { type Frames, tensorToFrames } from '../media/index.js';
import { finished } from '../pipeline/generate/finish.js';
import type { Pipeline } from '../pipeline/index.js';
import {
  type Condition,
  type ConditionInputs,
  conditionOf,
  type DepthEstimator,
  type Task,
} from '../tasks/index.js';
import { tidy } from '../tensor/index.js';

/** A sample that was not trained on, as a task is given it. */
export interface Trial {
  /** of files: letters, digits, `-`, `_` and `.` */
  name: string;
  prompt: string;
  /** what was to be made: it has the size and length of the result */
  truth: Frames;
  given: ConditionInputs;
  /** of MiniWorld, which can be told from pictures; else null */
  scene: MiniWorldSample | null;
}

/** The trials of a task, made when they are asked for: real clips are too large to hold many. */
export interface Trials {
  count: number;
  /** the same index, the same trial */
  at(index: number): Promise<Trial>;
}

/** Makes the results of trials. */
export interface Maker {
  /**
   * @param trials  of one size and length
   * @param first   number of the first one among all of the task
   */
  make(task: Task, trials: readonly Trial[], first: number, watch: Watch): Promise<Frames[]>;
}

export interface Watch {
  /** the part of the work that is done, 0..1 */
  onShare?: (share: number) => void;
  signal?: AbortSignal;
}

export interface SampleOptions {
  /** trial i starts from the noise of seed + i */
  seed: number;
  /** defaults: the pipeline's */
  numInferenceSteps?: number;
  guidanceScale?: number;
  /** default: nothing, the depth of known frames is not given */
  estimateDepth?: DepthEstimator | null;
}

/** A pipeline with its own settings for each task, but for what is asked for. */
export const pipelineMaker = (
  pipeline: Pipeline,
  { seed, numInferenceSteps, guidanceScale, estimateDepth = null }: SampleOptions,
): Maker => ({
  async make(task, trials, first, { onShare, signal }) {
    const settings = pipeline.settingsFor(task);
    const { width, height, numFrames } = trials[0]!.truth;
    const target = { width, height, numFrames };
    const conditions = trials.map(({ given }) => conditionOf(given, target, estimateDepth));
    try {
      const made = await pipeline.sample({
        task,
        conditions,
        target,
        signal,
        seed: seed + first,
        prompts: trials.map(({ prompt }) =>
          [prompt, settings.addedPrompt].filter(Boolean).join(' '),
        ),
        negativePrompt: settings.negativePrompt,
        numInferenceSteps: numInferenceSteps ?? settings.numInferenceSteps,
        guidanceScale: guidanceScale ?? settings.guidanceScale,
        motionScore: settings.motionScore,
        onStep: (step, total) => onShare?.(step / total),
      }); // [B, 3, F, H, W]
      const results = trials.map(({ given }, i) =>
        finished(
          tidy(() => tensorToFrames(made.narrow(0, i, 1))),
          task,
          given,
          target,
        ),
      );
      made.dispose();
      return results;
    } finally {
      for (const condition of conditions) disposeCondition(condition);
    }
  },
});

function disposeCondition({ pixels, depth, mask }: Condition): void {
  for (const part of [pixels, depth, mask]) part.dispose();
}
