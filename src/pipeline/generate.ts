/** One task on one user's input, from files to frames. */
import { type Frames, resizeFrames, tensorToFrames } from '../media/index.js';
import { type Condition, conditionOf, type Given, type Task } from '../tasks/index.js';
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
  const frames = joined(putBack(made, task, given, condition), given);
  for (const tensor of [made, condition.pixels, condition.depth, condition.mask]) tensor.dispose();
  return { frames, fps };
}

/** The new frames between what the input had before and after them, at the new size. */
function joined(frames: Frames, { before, after }: Given): Frames {
  const parts = [before, frames, after].filter((part) => part !== null);
  if (parts.length === 1) return frames;
  const resized = parts.map((part) => resizeFrames(part, frames));
  return {
    ...frames,
    numFrames: resized.reduce((sum, part) => sum + part.numFrames, 0),
    data: Buffer.concat(resized.map(({ data }) => data)),
  };
}

/** made [1, 3, F, H, W] → frames, with what the task keeps of what was given. */
export function putBack(
  made: Tensor,
  { keeps }: Pick<Task, 'keeps'>,
  { known }: Given,
  { pixels, mask }: Condition,
): Frames {
  const result = noGrad(() =>
    tidy(() => {
      if (keeps !== 'known pixels') return tensorToFrames(made);
      return tensorToFrames(made.mul(mask.mul(-1).add(1)).add(pixels.mul(mask)));
    }),
  );
  return keeps === 'coarse picture' ? withCoarse(result, known[0]!.frames) : result;
}

/**
 * The frames, changed so that made smaller they are the given small ones: what was seen is kept,
 * what is finer is the model's. Frames no larger than the small ones stay as they are.
 *
 * Source: back-projection, Irani & Peleg 1991
 */
function withCoarse(frames: Frames, small: Frames): Frames {
  if (small.width >= frames.width || small.height >= frames.height) return frames;
  const wanted = resizeFrames(small, frames);
  const present = resizeFrames(resizeFrames(frames, small), frames);
  const data = new Uint8ClampedArray(frames.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = frames.data[i]! + wanted.data[i]! - present.data[i]!;
  }
  return { ...frames, data: new Uint8Array(data.buffer) };
}
