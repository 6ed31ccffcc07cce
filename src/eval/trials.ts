/** The trials of an evaluation, and their results from a pipeline. */
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
import { trainedTask } from './mixtures.js';

/** A sample that was not used for training, with the inputs of a task. */
export interface Trial {
  /** name for files: letters, digits, `-`, `_` and `.` */
  name: string;
  prompt: string;
  /** the true result; results must have its size and length */
  truth: Frames;
  given: ConditionInputs;
  /** the scene behind the trial, if it is from MiniWorld; else null */
  scene: MiniWorldSample | null;
}

/** The trials of a task, made on demand, since real clips are too large to hold many in memory. */
export interface Trials {
  count: number;
  /** returns the same trial every time for the same index */
  at(index: number): Promise<Trial>;
}

/** Produces the results of trials. */
export interface Maker {
  /**
   * @param trials  of one size and length
   * @param first   index of the first one among all trials of the task
   */
  make(task: Task, trials: readonly Trial[], first: number, watch: Watch): Promise<Frames[]>;
}

export interface Watch {
  /** the share of the work that is done, 0..1 */
  onShare?: (share: number) => void;
  signal?: AbortSignal;
}

export interface SampleOptions {
  /** trial i starts from the noise of seed + i */
  seed: number;
  /** default: the pipeline's own settings */
  numInferenceSteps?: number;
  guidanceScale?: number;
  /**
   * estimates the depth of known frames, as in use; default: none, so they have the depth that their
   * samples have
   */
  estimateDepth?: DepthEstimator | null;
}

/** Condition inputs whose known frames come as a user brings them, without depth. */
const withoutKnownDepth = (given: ConditionInputs): ConditionInputs => ({
  ...given,
  known: given.known.map((one) => ({ ...one, depth: null })),
});

/**
 * Produces results with a pipeline, using its own settings
 * for each task unless the options override them.
 */
export const pipelineMaker = (
  pipeline: Pipeline,
  { seed, numInferenceSteps, guidanceScale, estimateDepth = null }: SampleOptions,
): Maker => ({
  async make(task, trials, first, { onShare, signal }) {
    const trained = trainedTask(task);
    const settings = pipeline.settingsFor(trained);
    const { width, height, numFrames } = trials[0]!.truth;
    const target = { width, height, numFrames };
    const conditions = trials.map(({ given }) =>
      conditionOf(
        estimateDepth ? withoutKnownDepth(given) : given,
        target,
        pipeline.depthRules(trained, estimateDepth),
      ),
    );
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
