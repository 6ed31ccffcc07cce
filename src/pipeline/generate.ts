/** One task on one user's input, from files to frames. */
import { customSigmas, type SolverName } from '../diffusion/index.js';
import { InputError } from '../errors.js';
import type { Frames } from '../media/index.js';
import type { DepthEstimator, Task } from '../tasks/index.js';
import { tidy } from '../tensor/index.js';
import { expectInputForNoise, withNoise } from './augment.js';
import type { OnProgress, Pipeline, SampleRequest } from './pipeline.js';
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
  cacheThreshold?: number;
  /** of the noise on what is given, 0..1; default: 0; see `withNoise` */
  noiseAugStrength?: number;
  /** what is sampled, before it is */
  onPrepared?: (prepared: Prepared) => void;
  onStep?: SampleRequest['onStep'];
  onProgress?: OnProgress;
}

/**
 * Reads the input, samples, decodes, and puts known pixels back where the task keeps them.
 * @throws InputError for wrong input; the signal's reason when it aborts
 */
export async function generate(
  pipeline: Pipeline,
  request: GenerateRequest,
): Promise<{ frames: Frames; fps: number }> {
  const { task, prompt, seed, onStep, onProgress, signal } = request;
  const { estimateDepth = null } = request;
  if (request.depth && !pipeline.takesDepth) {
    throw new InputError('--depth: this pipeline has no place for depth; leave it out');
  }
  const { noiseAugStrength: strength = 0 } = request;
  expectInputForNoise(task, strength);
  const settings = pipeline.settingsFor(task);
  const prepared = await prepare(task, request, settings, estimateDepth);
  request.onPrepared?.(prepared);
  const { condition, target, fps } = prepared;
  const added = request.addedPrompt ?? settings.addedPrompt;
  // what is put back into the result stays clean
  const seen = strength > 0 ? withNoise(condition, { strength, seed }) : condition;
  const made = await pipeline.sample({
    task,
    prompts: [[prompt, added].filter(Boolean).join(' ')],
    negativePrompt: request.negativePrompt ?? settings.negativePrompt,
    conditions: [seen],
    target,
    numInferenceSteps: request.numInferenceSteps ?? settings.numInferenceSteps,
    sigmas: ownSigmas(request, settings),
    guidanceScale: request.guidanceScale ?? settings.guidanceScale,
    motionScore: request.motionScore ?? settings.motionScore,
    solver: request.solver,
    guidanceRange: request.guidanceRange,
    cacheThreshold: request.cacheThreshold,
    seed,
    onStep,
    onProgress,
    signal,
  });
  const frames = tidy(() => prepared.finish(made));
  for (const { pixels, depth, mask } of new Set([condition, seen])) {
    for (const tensor of [pixels, depth, mask]) tensor.dispose();
  }
  made.dispose();
  return { frames, fps };
}

/**
 * The noise levels of a request with `useTSchedule`, else undefined. They lack their last, 0: every
 * schedule ends there, and a step from 0 to 0 is none.
 */
export function ownSigmas(
  { useTSchedule, numInferenceSteps }: Pick<GenerateRequest, 'useTSchedule' | 'numInferenceSteps'>,
  settings: { numInferenceSteps: number },
): number[] | undefined {
  if (!useTSchedule) return undefined;
  return customSigmas(numInferenceSteps ?? settings.numInferenceSteps).filter((sigma) => sigma > 0);
}
