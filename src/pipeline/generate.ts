/** One task on one user's input, from files to frames. */
import { customSigmas, type SolverName } from '../diffusion/index.js';
import { InputError } from '../errors.js';
import type { Frames } from '../media/index.js';
import type { DepthEstimator, Task } from '../tasks/index.js';
import { tidy } from '../tensor/index.js';
import type { Pipeline, SampleRequest } from './pipeline.js';
import { type Prepared, prepare, type UserRequest } from './prepare.js';

export interface GenerateRequest extends UserRequest {
  task: Task;
  seed: number;
  /** what the depth of known frames is told from; default: nothing, they have none */
  estimateDepth?: DepthEstimator | null;
  /** defaults: the pipeline's settings */
  addedPrompt?: string;
  negativePrompt?: string;
  numInferenceSteps?: number;
  guidanceScale?: number;
  motionScore?: number;
  solver?: SolverName;
  /** the reference's other noise levels, denser where there is much noise; see `customSigmas` */
  useTSchedule?: boolean;
  /** see `SampleRequest` */
  guidanceRange?: readonly [number, number];
  onPrepared?: (prepared: Prepared) => void;
  onStep?: SampleRequest['onStep'];
}

/**
 * Reads the input, samples, decodes, and puts known pixels back where the task keeps them.
 * @throws InputError for wrong input; the signal's reason when it aborts
 */
export async function generate(
  pipeline: Pipeline,
  request: GenerateRequest,
): Promise<{ frames: Frames; fps: number }> {
  const { task, prompt, seed, onStep, signal } = request;
  const { estimateDepth = null } = request;
  if (request.depth && !pipeline.takesDepth) {
    throw new InputError('--depth: this pipeline has no place for depth; leave it out');
  }
  const settings = pipeline.settingsFor(task);
  const prepared = await prepare(task, request, settings, estimateDepth);
  request.onPrepared?.(prepared);
  const { condition, target, fps } = prepared;
  const added = request.addedPrompt ?? settings.addedPrompt;
  const numInferenceSteps = request.numInferenceSteps ?? settings.numInferenceSteps;
  const made = await pipeline.sample({
    task,
    prompts: [[prompt, added].filter(Boolean).join(' ')],
    negativePrompt: request.negativePrompt ?? settings.negativePrompt,
    conditions: [condition],
    target,
    numInferenceSteps,
    // without its last level, 0: the schedule ends there anyway, and a step from 0 to 0 is none
    sigmas: request.useTSchedule ? customSigmas(numInferenceSteps).filter(Boolean) : undefined,
    guidanceScale: request.guidanceScale ?? settings.guidanceScale,
    motionScore: request.motionScore ?? settings.motionScore,
    solver: request.solver,
    guidanceRange: request.guidanceRange,
    seed,
    onStep,
    signal,
  });
  const frames = tidy(() => prepared.finish(made));
  for (const tensor of [made, condition.pixels, condition.depth, condition.mask]) tensor.dispose();
  return { frames, fps };
}
