/** One task on one user's input, from files to frames. */
import { type Frames, tensorToFrames } from '../media/index.js';
import { type Condition, conditionOf, type Task } from '../tasks/index.js';
import { noGrad, type Tensor, tidy } from '../tensor/index.js';
import type { Pipeline } from './pipeline.js';
import { type Prepared, prepare, type UserRequest } from './prepare.js';
import { guidanceFor } from './settings.js';

export interface GenerateRequest extends UserRequest {
  task: Task;
  seed: number;
  negativePrompt?: string;
  /** defaults: the pipeline's settings */
  numInferenceSteps?: number;
  guidanceScale?: number;
  motionScore?: number;
  onPrepared?: (prepared: Prepared) => void;
  onStep?: (step: number, total: number) => void;
}

/**
 * Reads the input, samples, decodes, and puts known pixels back where the task keeps them.
 * @throws InputError for wrong input; the signal's reason when it aborts
 */
export async function generate(
  pipeline: Pipeline,
  request: GenerateRequest,
): Promise<{ frames: Frames; fps: number }> {
  const { task, prompt, seed, negativePrompt, onStep, signal } = request;
  const { settings } = pipeline;
  const prepared = await prepare(task, request, settings);
  request.onPrepared?.(prepared);
  const { given, target, fps } = prepared;
  const condition = conditionOf(given, target);
  const made = await pipeline.sample({
    task,
    prompts: [prompt],
    negativePrompt,
    conditions: [condition],
    target,
    numInferenceSteps: request.numInferenceSteps ?? settings.numInferenceSteps,
    guidanceScale: request.guidanceScale ?? guidanceFor(settings, task.id),
    motionScore: request.motionScore ?? (task.result === 'image' ? 0 : settings.motionScore),
    seed,
    onStep,
    signal,
  });
  const frames = tidy(() => tensorToFrames(task.keepsKnown ? putBack(made, condition) : made));
  for (const tensor of [made, condition.pixels, condition.depth, condition.mask]) tensor.dispose();
  return { frames, fps };
}

/** The known pixels exactly, the made ones in the hole. [1, 3, F, H, W] */
export function putBack(made: Tensor, { pixels, mask }: Condition): Tensor {
  return noGrad(() => made.mul(mask.mul(-1).add(1)).add(pixels.mul(mask)));
}
